import { createHash } from 'node:crypto'
import canonicalize from 'canonicalize'

/** SHA-256 of the canonical JSON (RFC 8785) of an object, given as text. */
export default function digest(json: string): string {
  return createHash('sha256')
    .update(canonicalize(JSON.parse(json)) ?? '')
    .digest('hex')
}

export function nothing(): void {}

export function echo(task: unknown): unknown {
  return task
}

export function hang(): never {
  for (;;);
}
