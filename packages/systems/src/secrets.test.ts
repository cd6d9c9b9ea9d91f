import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { writeFileSync } from 'node:fs'
import { createServer, type IncomingMessage } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { json, text } from 'node:stream/consumers'
import { ConfigError, loadConfig } from '@reference/config'
import { closedPort } from '@reference/probes/testing'
import t from 'tap'
import { withVaultSecrets } from './index.ts'

const API = { name: 'api', defaults: { PORT: 8000, DB_POOL_MAX: 30 } }

/**
 * NOT a Vault: a stub that answers AppRole logins, KV v2 reads and revocation as Vault's API documentation describes them,
 * and refuses everything else. It proves this side of the protocol.
 */
async function vaultStub(
  t: { teardown(fn: () => unknown): unknown },
  secret: Record<string, unknown>,
  options: { sealedFor?: number } = {},
) {
  const calls: string[] = []
  const tokens = new Set<string>()
  let sealed = options.sealedFor ?? 0
  const answer = async (request: IncomingMessage): Promise<[status: number, body?: object]> => {
    calls.push(`${request.method} ${request.url}`)
    if (request.headers['x-vault-request'] !== 'true') return [400, { errors: ['missing request header'] }]
    if (sealed-- > 0) return [503, { errors: ['Vault is sealed'] }]
    if (request.method === 'POST' && request.url === '/v1/auth/approle/login') {
      const { role_id, secret_id } = (await json(request)) as Record<string, unknown>
      if (role_id !== 'role' || secret_id !== 'sesame')
        return [400, { errors: ['invalid role or secret ID'] }]
      const client_token = `hvs.${tokens.size}`
      tokens.add(client_token)
      return [200, { auth: { client_token, lease_duration: 1200, renewable: true } }]
    }
    if (!tokens.has(`${request.headers['x-vault-token']}`)) return [403, { errors: ['permission denied'] }]
    if (request.method === 'POST' && request.url === '/v1/auth/token/revoke-self') {
      tokens.delete(`${request.headers['x-vault-token']}`)
      return [204]
    }
    const found = request.method === 'GET' && request.url === '/v1/secret/data/reference'
    return found ? [200, { data: { data: secret, metadata: { version: 3 } } }] : [404, { errors: [] }]
  }
  const server = createServer(async (request, response) => {
    const [status, body] = await answer(request)
    response.writeHead(status, { 'content-type': 'application/json' })
    response.end(body === undefined ? undefined : JSON.stringify(body))
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.teardown(() => server.close())
  const environment = {
    VAULT_ADDR: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    VAULT_SECRET_PATH: 'secret/reference',
    VAULT_ROLE_ID: 'role',
    VAULT_SECRET_ID: 'sesame',
    VAULT_TIMEOUT_MS: '10000',
  }
  return { environment, calls, tokens }
}

const fromVault = { DATABASE_URL: 'postgres://vault/app', DB_POOL_MAX: 7, REDIS_URL: 'redis://vault' }

t.test('settings that the environment lacks come from Vault, and the token is revoked', async (t) => {
  const { environment, calls, tokens } = await vaultStub(t, { ...fromVault, PORT: '' })
  const config = loadConfig(
    API,
    await withVaultSecrets({ ...environment, REDIS_URL: 'redis://here', CACHE_L1: 'off' }),
  )
  t.match(config, {
    databaseUrl: 'postgres://vault/app',
    dbPoolMax: 7,
    redisUrl: 'redis://here',
    cacheL1: false,
    port: 8000,
  })
  t.same(calls, [
    'POST /v1/auth/approle/login',
    'GET /v1/secret/data/reference',
    'POST /v1/auth/token/revoke-self',
  ])
  t.equal(tokens.size, 0)
})

t.test('a setting that is read from a file counts as set', async (t) => {
  const { environment } = await vaultStub(t, fromVault)
  const folder = t.testdir({ url: 'postgres://from-file/app', id: 'sesame\n' })
  const { VAULT_SECRET_ID: _, ...rest } = environment
  const filled = await withVaultSecrets({
    ...rest,
    VAULT_SECRET_ID_FILE: join(folder, 'id'),
    DATABASE_URL_FILE: join(folder, 'url'),
  })
  t.equal(loadConfig(API, filled).databaseUrl, 'postgres://from-file/app')
})

t.test('a path may contain the data segment of the API, for a mount of several segments', async (t) => {
  const { environment, calls } = await vaultStub(t, fromVault)
  await withVaultSecrets({ ...environment, VAULT_SECRET_PATH: 'secret/data/reference' })
  await t.rejects(withVaultSecrets({ ...environment, VAULT_SECRET_PATH: 'team/kv/data/reference' }), {
    code: 'VAULT_REFUSED',
  })
  t.ok(calls.includes('GET /v1/secret/data/reference'))
  t.ok(calls.includes('GET /v1/team/kv/data/reference'))
})

t.test(
  'keys that name no setting are reported and ignored; the settings of Vault itself cannot come from a secret',
  async (t) => {
    const { environment } = await vaultStub(t, {
      ...fromVault,
      DATABASE_ULR: 'x',
      VAULT_ADDR: 'http://elsewhere',
    })
    const ignored: string[] = []
    const filled = await withVaultSecrets(environment, (keys) => ignored.push(...keys))
    t.same(ignored, ['DATABASE_ULR', 'VAULT_ADDR'])
    t.equal(filled.VAULT_ADDR, environment.VAULT_ADDR)
  },
)

t.test('a value that is neither text nor a number is a fault of its name', async (t) => {
  const { environment } = await vaultStub(t, { DATABASE_URL: { host: 'db' }, REDIS_URL: null })
  await t.rejects(withVaultSecrets(environment), {
    code: 'CONFIG_INVALID',
    faults: [{ name: 'DATABASE_URL' }, { name: 'REDIS_URL' }],
  })
})

t.test('a sealed Vault is retried', async (t) => {
  const { environment, calls } = await vaultStub(t, fromVault, { sealedFor: 2 })
  t.equal((await withVaultSecrets(environment)).DATABASE_URL, fromVault.DATABASE_URL)
  t.equal(calls.filter((call) => call.includes('login')).length, 3)
})

t.test('wrong credentials and a wrong path fail at once, with the message of Vault', async (t) => {
  const { environment, calls, tokens } = await vaultStub(t, fromVault)
  await t.rejects(withVaultSecrets({ ...environment, VAULT_SECRET_ID: 'wrong' }), {
    code: 'VAULT_REFUSED',
    message: /answered 400 to v1\/auth\/approle\/login: invalid role or secret ID$/,
  })
  await t.rejects(withVaultSecrets({ ...environment, VAULT_SECRET_PATH: 'secret/none' }), {
    code: 'VAULT_REFUSED',
    message: /answered 404 to v1\/secret\/data\/none$/,
  })
  t.equal(calls.length, 4)
  t.equal(tokens.size, 0, 'the token of a failed read is given back too')
})

t.test(
  'without VAULT_SECRET_PATH Vault is not called; with it the other settings are required',
  async (t) => {
    const environment = { VAULT_ADDR: 'http://127.0.0.1:9' }
    t.equal(await withVaultSecrets(environment), environment)
    await t.rejects(withVaultSecrets({ VAULT_SECRET_PATH: 'secret/reference' }), {
      code: 'CONFIG_INVALID',
      faults: [{ name: 'VAULT_ADDR' }, { name: 'VAULT_ROLE_ID' }, { name: 'VAULT_SECRET_ID' }],
    })
    await t.rejects(withVaultSecrets({ VAULT_SECRET_PATH: '/secret' }), ConfigError)
  },
)

t.test('an unavailable Vault ends a start with 75, a refusal with 78, each with a sentence', async (t) => {
  const main = join(t.testdir({}), 'main.ts')
  writeFileSync(
    main,
    `import { withVaultSecretsOrExit } from ${JSON.stringify(import.meta.resolve('./index.ts'))}\nawait withVaultSecretsOrExit()\n`,
  )
  const start = async (env: Record<string, string>) => {
    const child = spawn(process.execPath, [main], { env, stdio: ['ignore', 'ignore', 'pipe'] })
    const [stderr, [code]] = await Promise.all([text(child.stderr), once(child, 'exit')])
    return { code, stderr }
  }
  const { environment } = await vaultStub(t, { ...fromVault, OTHER: 'x' })
  const unavailable = {
    ...environment,
    VAULT_ADDR: `http://127.0.0.1:${await closedPort()}`,
    VAULT_TIMEOUT_MS: '1500',
  }
  t.match(await start(unavailable), {
    code: 75,
    stderr:
      /^secrets: Vault at http:\/\/127\.0\.0\.1:\d+ does not answer: ECONNREFUSED \(tried for 1500 ms\)\n$/,
  })
  const refused = await start({ ...environment, VAULT_SECRET_ID: 'letmein' })
  t.match(refused, { code: 78, stderr: /invalid role or secret ID/ })
  t.notMatch(refused.stderr, 'letmein')
  t.match(await start(environment), { code: 0, stderr: /ignored, since they name no setting: OTHER/ })
})

t.test('a Vault that accepts connections and never answers fails after the limit', async (t) => {
  const server = createServer(() => {}).listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.teardown(() => {
    server.close()
    server.closeAllConnections()
  })
  await t.rejects(
    withVaultSecrets({
      VAULT_ADDR: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
      VAULT_SECRET_PATH: 'secret/reference',
      VAULT_ROLE_ID: 'role',
      VAULT_SECRET_ID: 'sesame',
      VAULT_TIMEOUT_MS: '0',
    }),
    { code: 'VAULT_UNAVAILABLE', message: /does not answer: no answer in time/ },
  )
})
