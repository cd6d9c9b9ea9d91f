import { hash, randomBytes } from 'node:crypto'
import { EXIT_USAGE, Failure } from './failure.ts'
import type { Production } from './production.ts'

/** Makes a token and returns it; only its hash is kept. A name that is there already gets the new one instead. */
export function addToken(production: Production, name: string, scope: string): string {
  if (!/^[A-Za-z0-9._-]{1,64}$/.test(name)) throw new Failure(`not a name: ${name}`, EXIT_USAGE)
  if (scope !== 'write' && scope !== 'admin') throw new Failure('the scope is write or admin', EXIT_USAGE)
  const token = randomBytes(32).toString('base64url')
  production.state.create()
  production.state.addToken(name, hash('sha256', token), scope)
  return token
}
