import { Packr } from 'msgpackr'

/** How a namespace's values become the bytes that both tiers hold, and back. Data formats only: nothing executes when read. */
export type Codec<V> = { encode(value: V): Buffer; decode(bytes: Buffer): V }

/** The default: a hit's bytes are the body of the reply, as they are. */
export function json<V>(): Codec<V> {
  return {
    encode: (value) => Buffer.from(JSON.stringify(value)),
    decode: (bytes) => JSON.parse(bytes.toString()) as V,
  }
}

/** For values that are used by code and never sent as they are. Figures of both in the README. */
export function msgpack<V>(): Codec<V> {
  const packr = new Packr({ useRecords: false, moreTypes: false })
  return { encode: (value) => packr.pack(value), decode: (bytes) => packr.unpack(bytes) as V }
}

/** For whole replies, encoded and compressed already: a hit does no JSON and no gzip. */
export function bytes(): Codec<Buffer> {
  return { encode: (value) => value, decode: (value) => value }
}
