/** The load of one slice of time. */
export interface Slice {
  readonly answered: number
  readonly errors: number
  readonly seconds: number
  /** CPU time of the loaded process with all its threads; undefined where it is not known. */
  readonly cpuMs: number | undefined
  /** Share of the slice for which the generator was busy, 0–1. */
  readonly generatorShare: number
  /** Headers and bodies of the replies. */
  readonly bytes: number
  /** Of requests at a fixed rate. */
  readonly latency?: LatencySlice
}

/** Latencies from the time at which each request was due. */
export interface LatencySlice {
  readonly sent: number
  readonly errors: number
  /** Encoded HDR histogram of microseconds. */
  readonly histogram: string
  /** How late the generator sent its requests, p99. */
  readonly lagP99Ms: number
  /** Replies by their `x-cache` header. */
  readonly cache: Readonly<Record<string, number>>
}

/** Something that is measured beside others: a process under load, or a tool that loads a database itself. */
export interface Side {
  /** As many requests as are answered within `durationMs`. */
  load(durationMs: number): Promise<Slice>
  /** Requests in flight at the same time. */
  readonly connections: number
  /** Requests that fill the caches of the side and let its compiler optimise, for the warm-up to reach. */
  readonly warmUpRequests: number
  /** The duration of each slice. Default: short ones, by the rate of the side. */
  readonly sliceMs?: number
  /** The shortest slice at the fixed rate: low rates need a longer time for a p99. */
  readonly leastPacedMs?: number | undefined
  /** Requests at a fixed rate. Undefined for a side that has no such mode. */
  readonly paced?: ((ratePerSecond: number, durationMs: number) => Promise<Slice>) | undefined
}

/** Requests a second. */
export function rateOf({ answered, seconds }: Pick<Slice, 'answered' | 'seconds'>): number {
  return answered / seconds
}

/** CPU time a request in ms; undefined where it is not known. */
export function cpuMsOf({ cpuMs, answered }: Pick<Slice, 'answered' | 'cpuMs'>): number | undefined {
  return cpuMs === undefined || answered === 0 ? undefined : cpuMs / answered
}

/** CPU time a request in ms over the slices for which it is known; undefined without one. */
export function meanCpuMs(slices: readonly Slice[]): number | undefined {
  const known = slices.filter(({ cpuMs }) => cpuMs !== undefined)
  const cpuMs = known.reduce((sum, slice) => sum + (slice.cpuMs ?? 0), 0)
  return cpuMsOf({ cpuMs, answered: sumOf(known).answered })
}

/** All slices as one, without what only a single slice has. */
export function sumOf(slices: readonly Slice[]): Omit<Slice, 'cpuMs' | 'latency'> {
  const total = (pick: (slice: Slice) => number) => slices.reduce((sum, slice) => sum + pick(slice), 0)
  return {
    answered: total(({ answered }) => answered),
    errors: total(({ errors }) => errors),
    seconds: total(({ seconds }) => seconds),
    bytes: total(({ bytes }) => bytes),
    generatorShare: slices.length === 0 ? 0 : total(({ generatorShare }) => generatorShare) / slices.length,
  }
}

/**
 * The ratio of two sides in each turn. Turns without the figure are left out.
 *
 * @param a first side, slice by slice
 * @param b second side, of the same turns
 */
export function ratiosOf(
  a: readonly Slice[],
  b: readonly Slice[],
  figure: (slice: Slice) => number | undefined,
): number[] {
  return a.flatMap((slice, turn) => {
    const other = b[turn]
    const [x, y] = [figure(slice), other && figure(other)]
    return x !== undefined && y !== undefined && x > 0 && y > 0 ? [x / y] : []
  })
}
