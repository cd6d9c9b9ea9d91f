export type { AuthToken } from './auth.ts'
export { type CachedReplies, type CachedReply, sendCached, sendJson, shortReply } from './cached-reply.ts'
export { dataStores } from './data-stores.ts'
export { runSettings, serverSettings } from './from-config.ts'
export type { CheckStatus, Dependency, Readiness, ServiceRow } from './health.ts'
export type { Lifecycle } from './lifecycle.ts'
export type { OverloadOptions } from './overload.ts'
export { type FieldError, invalid, type Problem, type ProblemError, problem } from './problems.ts'
export {
  Cursor,
  Id,
  IdParams,
  Limit,
  limit,
  MAX_ID,
  PageQuery,
  ProblemSchema,
  page,
} from './schemas.ts'
export { createServer, type ServerOptions } from './server.ts'
export { type Running, type RunOptions, runServer } from './shutdown.ts'
export {
  COMPRESS_FROM_BYTES,
  compressStored,
  type Encoding,
  negotiate,
  type Stored,
} from './stored.ts'
export type { TracedLine, TracedRequest } from './tracing.ts'
export type { App, Scope } from './types.ts'
