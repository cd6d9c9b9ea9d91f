import { createHash } from 'node:crypto'
import canonicalize from 'canonicalize'

export interface Digest {
  readonly bytes: number
  readonly keys: number
  readonly sha256: string
}

/**
 * Canonical JSON (RFC 8785) of an object, and its SHA-256. Runs on the main thread or in a worker thread, so its argument is text,
 * which is cheap to send between threads.
 *
 * @param json text of a JSON object
 */
export function digest(json: string): Digest {
  const payload: Record<string, unknown> = JSON.parse(json)
  const canonical = Buffer.from(canonicalize(payload) ?? '')
  return {
    bytes: canonical.byteLength,
    keys: Object.keys(payload).length,
    sha256: createHash('sha256').update(canonical).digest('hex'),
  }
}

export default digest
