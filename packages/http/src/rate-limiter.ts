import { BlockList, isIP } from 'node:net'
import { addressKey } from './address-key.ts'

/** Counts that all processes of a service share, such as those of `packages/cache` in Redis. */
export interface SharedCounts {
  /**
   * Adds to counts, which begin at zero.
   *
   * @param keepMs how long they are kept after the last addition
   * @returns the counts of all processes together, by their names
   * @throws while they are not available
   */
  add(counts: ReadonlyMap<string, number>, keepMs: number): Promise<ReadonlyMap<string, number>>
}

export interface RateLimiterOptions {
  /** Distinguishes the counts of several limiters. */
  name: string
  /** How many times a client may do something within a window. */
  max: number
  windowMs: number
  /** Addresses and subnets without a limit. */
  exempt?: readonly string[]
  /** Asked at each exchange; undefined while, or when, each process counts for itself. */
  shared?: (() => SharedCounts | undefined) | undefined
}

/** Distinct clients of one window; further ones share one count. Bounds the memory when addresses are forged. */
const MAX_CLIENTS = 10_000

/** How often the counts are exchanged. */
const SHARE_EVERY_MS = 100

/** A client that has used this share of its limit in one process is busy. */
const BUSY_SHARE = 1 / 10

/** The interval in which each process counts itself once, and how often it reads that count. */
const CENSUS_MS = 10_000
const READ_CENSUS_MS = 1000

interface Client {
  /** In this process and window. */
  count: number
  /** The part of it that the shared counts have. */
  sent: number
  /** In the other processes, as of the last exchange. */
  elsewhere: number
  readonly key: string
  readonly isExempt: boolean
}

/**
 * Limits how often the client of an address may do something within fixed windows of time.
 *
 * The answer is ready at once, so that hot routes can be limited too: `@fastify/rate-limit` asks Redis for each request, and its hook is
 * asynchronous. With shared counts the processes exchange the counts of busy clients every 100 ms, in the background: a client gets its
 * limit once, and in a burst that is over within two exchanges at most once in each process. While the shared counts are not
 * available, each process allows its part of the limit: the limit divided by the processes that were last seen.
 */
export class RateLimiter {
  readonly #options: RateLimiterOptions
  readonly #exempt: BlockList | undefined
  readonly #others: Client
  /** By address as received, and by the key of its client. */
  #clients = new Map<string, Client>()
  /** Clients whose counts may matter to other processes. */
  #busy = new Set<Client>()
  #endsAt = 0
  #window = 0
  #limit: number
  #processes = 1
  #census = 0
  #censusReadAt = Number.NEGATIVE_INFINITY
  #timer: NodeJS.Timeout | undefined
  #isSharing = false

  constructor(options: RateLimiterOptions) {
    this.#options = options
    this.#limit = options.max
    this.#exempt = options.exempt && blockListOf(options.exempt)
    this.#others = { count: 0, sent: 0, elsewhere: 0, key: 'others', isExempt: false }
  }

  /** Begins to exchange counts. */
  start(): void {
    if (this.#options.shared === undefined) return
    this.#timer ??= setInterval(() => void this.#share(), SHARE_EVERY_MS).unref()
  }

  close(): void {
    clearInterval(this.#timer)
  }

  get max(): number {
    return this.#options.max
  }

  /**
   * Counts once, and returns whether the client is within its limit.
   *
   * @param address from a header or a connection
   * @param fallback the address of the connection, when the first one is none
   */
  take(address: string, fallback = ''): boolean {
    const client = this.#clientOf(address, fallback)
    client.count++
    if (this.#timer !== undefined && client.count >= this.#options.max * BUSY_SHARE) this.#busy.add(client)
    return client.isExempt || client.count + client.elsewhere <= this.#limit
  }

  /** Whether the client has reached its limit. Does not count. */
  isExhausted(address: string, fallback = ''): boolean {
    const client = this.#clientOf(address, fallback)
    return !client.isExempt && client.count + client.elsewhere >= this.#limit
  }

  /** Until the window ends. */
  get resetSeconds(): number {
    return Math.max(1, Math.ceil((this.#endsAt - Date.now()) / 1000))
  }

  #clientOf(address: string, fallback: string): Client {
    const now = Date.now()
    const { windowMs } = this.#options
    if (now >= this.#endsAt || now < this.#endsAt - windowMs) this.#beginWindow(now)
    return this.#clients.get(address) ?? this.#add(isIP(address) === 0 ? fallback : address)
  }

  #beginWindow(now: number): void {
    const { windowMs } = this.#options
    this.#window = Math.floor(now / windowMs)
    this.#endsAt = (this.#window + 1) * windowMs
    this.#clients = new Map()
    this.#busy = new Set()
    Object.assign(this.#others, { count: 0, sent: 0, elsewhere: 0 })
  }

  #add(address: string): Client {
    const known = this.#clients.get(address)
    if (known !== undefined) return known
    if (this.#clients.size >= MAX_CLIENTS) return this.#others
    const key = addressKey(address)
    const client = this.#clients.get(key) ?? {
      count: 0,
      sent: 0,
      elsewhere: 0,
      key,
      isExempt: this.#isExempt(address),
    }
    this.#clients.set(key, client)
    this.#clients.set(address, client)
    return client
  }

  #isExempt(address: string): boolean {
    const family = isIP(address)
    return family !== 0 && this.#exempt?.check(address, family === 4 ? 'ipv4' : 'ipv6') === true
  }

  async #share(): Promise<void> {
    const shared = this.#options.shared?.()
    // An idle process sends nothing to Redis.
    if (shared === undefined || this.#isSharing || Date.now() >= this.#endsAt) return
    this.#isSharing = true
    try {
      await this.#count(shared)
      await this.#exchange(shared)
      this.#limit = this.#options.max
    } catch {
      this.#limit = Math.max(1, Math.floor(this.#options.max / this.#processes))
    } finally {
      this.#isSharing = false
    }
  }

  /** The number of processes is what they have counted together, each of them once in an interval. */
  async #count(shared: SharedCounts): Promise<void> {
    if (performance.now() - this.#censusReadAt < READ_CENSUS_MS) return
    const census = Math.floor(Date.now() / CENSUS_MS)
    const name = (interval: number) => `${this.#options.name}:processes:${interval}`
    const counts = new Map([
      [name(census), census === this.#census ? 0 : 1],
      [name(census - 1), 0],
    ])
    const totals = await shared.add(counts, 3 * CENSUS_MS)
    this.#censusReadAt = performance.now()
    this.#census = census
    this.#processes = Math.max(1, totals.get(name(census)) ?? 0, totals.get(name(census - 1)) ?? 0)
  }

  async #exchange(shared: SharedCounts): Promise<void> {
    const window = this.#window
    const { name, windowMs } = this.#options
    const sending = [...this.#busy].map((client) => ({
      client,
      id: `${name}:${window}:${client.key}`,
      added: client.count - client.sent,
    }))
    if (sending.length === 0 || Date.now() >= this.#endsAt) return
    const totals = await shared.add(new Map(sending.map(({ id, added }) => [id, added])), 2 * windowMs)
    for (const { client, id, added } of sending) {
      client.sent += added
      client.elsewhere = Math.max(0, (totals.get(id) ?? 0) - client.sent)
    }
  }
}

function blockListOf(ranges: readonly string[]): BlockList {
  const list = new BlockList()
  for (const range of ranges) {
    const [address = '', prefix] = range.split('/')
    const family = isIP(address) === 6 ? 'ipv6' : 'ipv4'
    if (prefix === undefined) list.addAddress(address, family)
    else list.addSubnet(address, Number(prefix), family)
  }
  return list
}
