import { hash, randomBytes } from 'node:crypto'
import type { Production } from './production.ts'

export function isTokenName(text: string): boolean {
  return /^[A-Za-z0-9._-]{1,64}$/.test(text)
}

export function isScope(text: string): boolean {
  return text === 'write' || text === 'admin'
}

/** Creates and returns a token; only its hash is stored. An existing name gets the new token instead. */
export function addToken(production: Production, name: string, scope: string): string {
  const token = randomBytes(32).toString('base64url')
  production.state.addToken(name, hash('sha256', token), scope)
  return token
}
