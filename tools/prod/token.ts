import { hash, randomBytes } from 'node:crypto'
import type { Production } from './production.ts'

export function isTokenName(text: string): boolean {
  return /^[A-Za-z0-9._-]{1,64}$/.test(text)
}

export function isScope(text: string): boolean {
  return text === 'write' || text === 'admin'
}

/** Makes a token and returns it; only its hash is kept. A name that is there already gets the new one instead. */
export function addToken(production: Production, name: string, scope: string): string {
  const token = randomBytes(32).toString('base64url')
  production.state.addToken(name, hash('sha256', token), scope)
  return token
}
