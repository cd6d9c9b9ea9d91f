/** The outcome of a read. `bytes` are the encoded value; with the JSON codec they are the body of a reply as they are. */
export interface CacheHit<V> {
  /** Decoded when first asked for; undefined when the loader found nothing. */
  readonly value: V | undefined
  readonly bytes: Buffer | undefined
  /** `miss`: loaded and kept. `off`: loaded, neither tier could be used. Meant for the header `x-cache`. */
  readonly from: 'l1' | 'l2' | 'miss' | 'off'
  /** Expired, but within its grace. */
  readonly stale: boolean
}

const NOT_DECODED = Symbol('not decoded')

/** A class, because a getter on a prototype costs nothing at a hit whose value is never read. */
export class Hit<V> implements CacheHit<V> {
  readonly bytes: Buffer | undefined
  readonly from: CacheHit<V>['from']
  readonly stale: boolean
  private readonly decode: (bytes: Buffer) => V
  private decoded: V | undefined | typeof NOT_DECODED

  constructor(
    from: CacheHit<V>['from'],
    bytes: Buffer | undefined,
    decode: (bytes: Buffer) => V,
    stale = false,
    value: V | undefined | typeof NOT_DECODED = NOT_DECODED,
  ) {
    this.from = from
    this.bytes = bytes
    this.stale = stale
    this.decode = decode
    this.decoded = value
  }

  get value(): V | undefined {
    if (this.decoded === NOT_DECODED)
      this.decoded = this.bytes === undefined ? undefined : this.decode(this.bytes)
    return this.decoded
  }

  /** Decodes the bytes: tier 2 may hold bytes of a release with another codec. */
  get isDecodable(): boolean {
    try {
      void this.value
      return true
    } catch {
      return false
    }
  }
}
