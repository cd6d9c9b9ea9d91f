import { execFile } from 'node:child_process'
import { chmodSync, copyFileSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { startRedis } from '../redis.ts'
import { findRedisCli } from '../redis-binary.ts'
import { type RedisCluster, startRedisCluster } from '../redis-cluster.ts'
import { testCertificate } from './certificate.ts'
import type { TestScope } from './databases-and-redis.ts'

type Certificate = 'server' | 'elsewhere' | 'expired'

export interface TlsRedis {
  /** `rediss://`, which the certificate `server` is valid for. */
  readonly url: string
  readonly tlsPort: number
  /** Without TLS, for the test itself. */
  readonly plainUrl: string
  /** Makes the server use this certificate; it also ends the connections of clients. */
  present(name: Certificate): Promise<void>
  /** Makes the server ask its clients for a certificate of the tests' authority, or not. */
  askClients(whether: boolean): Promise<void>
}

/** A Redis with TLS at one port and without at another. Needs {@link hasRedisTls}. */
export async function startTlsRedis(t: TestScope): Promise<TlsRedis> {
  const folder = certificatesForServer(t)
  const server = await startRedis({
    portSettings: ['tls-port'],
    settings: {
      'tls-auth-clients': 'no',
      'tls-ca-cert-file': join(folder, 'authority.crt'),
      'tls-cert-file': join(folder, 'server.crt'),
      'tls-key-file': join(folder, 'server.key'),
    },
  })
  t.teardown(() => server.stop())
  const tlsPort = server.ports['tls-port'] ?? 0
  const cli = await findRedisCli()
  const run = async (...command: string[]) => {
    const { stdout } = await promisify(execFile)(cli, ['-p', String(server.port), ...command])
    if (/^(ERR|NOPERM)/.test(stdout)) throw new Error(stdout)
  }
  return {
    url: `rediss://127.0.0.1:${tlsPort}`,
    tlsPort,
    plainUrl: server.url,
    async present(name) {
      const [certificate, key] = ['crt', 'key'].map((ending) => join(folder, `${name}.${ending}`)) as [
        string,
        string,
      ]
      await run('config', 'set', 'tls-cert-file', certificate, 'tls-key-file', key)
      for (const type of ['normal', 'pubsub']) await run('client', 'kill', 'type', type)
    },
    askClients: (whether) => run('config', 'set', 'tls-auth-clients', whether ? 'yes' : 'no'),
  }
}

/** A Redis Cluster of the test's own whose nodes use TLS with each other, and with clients at `tlsPort`. */
export async function tlsRedisCluster(t: TestScope): Promise<RedisCluster> {
  const folder = certificatesForServer(t)
  const cluster = await startRedisCluster({
    tls: {
      ca: join(folder, 'authority.crt'),
      certificate: join(folder, 'server.crt'),
      key: join(folder, 'server.key'),
    },
  })
  t.teardown(() => cluster.stop())
  return cluster
}

/** Copies, because the server may run as a user who cannot enter the folder of the clone. */
function certificatesForServer(t: TestScope): string {
  const folder = mkdtempSync(join(tmpdir(), 'redis-tls-'))
  t.teardown(() => rmSync(folder, { recursive: true, force: true }))
  chmodSync(folder, 0o755)
  const pairs = ['server', 'elsewhere', 'expired'].flatMap((name) => [`${name}.crt`, `${name}.key`])
  for (const name of ['authority.crt', ...pairs]) {
    copyFileSync(testCertificate(name), join(folder, name))
    chmodSync(join(folder, name), 0o644)
  }
  return folder
}
