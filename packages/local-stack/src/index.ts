export { buildBundles } from './bundles.ts'
export { prepareDatabase, type Rows } from './development-data.ts'
export type { LocalStackError, LocalStackErrorCode } from './errors.ts'
export { freePort } from './free-port.ts'
export { type PostgresOptions, type PostgresServer, startPostgres, throwAwaySettings } from './postgres.ts'
export { type RedisOptions, type RedisServer, startRedis } from './redis.ts'
export { findRedisCli, findRedisServer, hasRedisTls } from './redis-binary.ts'
export type { RedisCluster } from './redis-cluster.ts'
export { type Stack, type StackOptions, startStack } from './stack.ts'
export { testCertificate } from './testing/certificate.ts'
export {
  makeTemplate,
  redisCluster,
  type TestDatabase,
  type TestDatabaseOptions,
  type TestRedis,
  type TestRedisOptions,
  type TestScope,
  templateDatabase,
  templateRows,
  testDatabase,
  testRedis,
} from './testing/databases-and-redis.ts'
export { changedBytes, type Fault, type FaultProxy, faultProxy } from './testing/fault-proxy.ts'
export { type Link, linkTo } from './testing/link.ts'
export { startService, type TestService, until } from './testing/service.ts'
export { startTlsPostgres, type TlsPostgres, usualRules } from './testing/tls-postgres.ts'
export { startTlsRedis, type TlsRedis, tlsRedisCluster } from './testing/tls-redis.ts'
