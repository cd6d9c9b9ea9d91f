import { delay } from '@reference/async'
import { AppError } from '@reference/errors'

export interface VaultOptions {
  /** Such as `https://vault:8200`. */
  readonly address: string
  readonly roleId: string
  readonly secretId: string
  /** `mount/path` as `vault kv get` takes it, or with the API's `data`: `team/kv/data/path`. */
  readonly path: string
  /** How long to retry while Vault is unavailable. */
  readonly timeoutMs: number
}

/**
 * Reading the secret failed. `VAULT_UNAVAILABLE`: Vault did not answer, or was sealed or overloaded; a later start may
 * succeed. `VAULT_REFUSED`: Vault answered, and a retry will not help.
 */
export class VaultError extends AppError<VaultErrorCode> {
  constructor(code: VaultErrorCode, message: string, options?: ErrorOptions) {
    super(code, 503, message, options)
  }
}

type VaultErrorCode = 'VAULT_UNAVAILABLE' | 'VAULT_REFUSED'

const ATTEMPT_LIMIT_MS = 5_000
const MIN_ATTEMPT_MS = 1_000
const PAUSE_MS = 250
/** Not among them: 400, a secret id that is expired or used up, and 403, a policy that does not allow the path. */
const TEMPORARY = new Set([412, 429, 472, 473, 500, 502, 503, 504])

/**
 * Logs in by AppRole, reads one secret of a KV v2 engine and revokes the token: nothing is kept, so neither an
 * outage of Vault nor the end of a lease matters later.
 *
 * @returns the keys and values of the secret
 * @throws VaultError
 */
export async function readVaultSecret(options: VaultOptions): Promise<Record<string, unknown>> {
  const end = performance.now() + options.timeoutMs
  for (;;) {
    try {
      return await attempt(
        options,
        Math.max(MIN_ATTEMPT_MS, Math.min(ATTEMPT_LIMIT_MS, end - performance.now())),
      )
    } catch (error) {
      if (!(error instanceof VaultError) || error.code === 'VAULT_REFUSED') throw error
      if (performance.now() + PAUSE_MS > end) {
        const tried = `tried for ${options.timeoutMs} ms`
        throw new VaultError('VAULT_UNAVAILABLE', `${error.message} (${tried})`, { cause: error })
      }
    }
    await delay(PAUSE_MS)
  }
}

async function attempt(options: VaultOptions, limitMs: number): Promise<Record<string, unknown>> {
  // It accepts no fraction.
  const signal = AbortSignal.timeout(Math.ceil(limitMs))
  const login = await call(options.address, 'v1/auth/approle/login', signal, {
    body: { role_id: options.roleId, secret_id: options.secretId },
  })
  const token = property(property(login, 'auth'), 'client_token')
  if (typeof token !== 'string') throw unexpected(options.address, 'the login gave no token')
  try {
    const path = apiPath(options.path)
    const secret = property(
      property(await call(options.address, `v1/${path}`, signal, { token }), 'data'),
      'data',
    )
    if (typeof secret !== 'object' || secret === null)
      throw unexpected(options.address, `${path} holds no data`)
    return { ...secret }
  } finally {
    // The token expires anyway, so a failure here is ignored.
    await call(options.address, 'v1/auth/token/revoke-self', signal, { token, body: {} }).catch(() => {})
  }
}

async function call(
  address: string,
  path: string,
  signal: AbortSignal,
  { token, body }: { token?: string; body?: object },
): Promise<unknown> {
  const response = await fetch(new URL(path, `${address.replace(/\/$/, '')}/`), {
    method: body === undefined ? 'GET' : 'POST',
    headers: { 'x-vault-request': 'true', ...(token === undefined ? {} : { 'x-vault-token': token }) },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    signal,
  }).catch((cause: unknown) => {
    throw new VaultError('VAULT_UNAVAILABLE', `Vault at ${address} does not answer: ${reasonOf(cause)}`, {
      cause,
    })
  })
  const text = await response.text().catch(() => '')
  if (response.ok) return parse(text)
  const messages = [property(parse(text), 'errors')].flat().filter((line) => typeof line === 'string')
  throw new VaultError(
    TEMPORARY.has(response.status) ? 'VAULT_UNAVAILABLE' : 'VAULT_REFUSED',
    `Vault at ${address} answered ${response.status} to ${path}${messages.length > 0 ? `: ${messages.join('; ')}` : ''}`,
  )
}

/** KV v2 keeps its secrets under `<mount>/data/`. A path without `data` has a mount of one segment. */
function apiPath(path: string): string {
  const parts = path.split('/').map(encodeURIComponent)
  return parts.slice(1, -1).includes('data')
    ? parts.join('/')
    : [parts[0], 'data', ...parts.slice(1)].join('/')
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

function property(value: unknown, name: string): unknown {
  return typeof value === 'object' && value !== null ? (value as Record<string, unknown>)[name] : undefined
}

function unexpected(address: string, what: string): VaultError {
  return new VaultError('VAULT_REFUSED', `Vault at ${address}: ${what}`)
}

/** The error of `fetch` has the reason in its cause. */
function reasonOf(error: unknown): string {
  const { cause, name, message } = error as Error & { cause?: Error & { code?: string } }
  return cause?.code ?? cause?.message ?? (name === 'TimeoutError' ? 'no answer in time' : message)
}
