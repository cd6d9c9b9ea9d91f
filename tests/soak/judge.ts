import { studentQuantile } from '@reference/bench/stats'

/** One look at a process and its data stores. */
export interface Sample {
  /** Since the start of the load. */
  readonly seconds: number
  readonly values: Readonly<Record<Measure, number>>
}

export const MEASURES = [
  'heapMb',
  'externalMb',
  'rssMb',
  'handles',
  'sockets',
  'files',
  'postgresConnections',
  'redisConnections',
] as const

export type Measure = (typeof MEASURES)[number]

/** The slope of a line through samples, with the bounds of its 95 % confidence interval. */
export interface Slope {
  readonly perMinute: number
  readonly low: number
  readonly high: number
}

/** The share of a run that fills pools and caches, and compiles code; its samples are left out. */
const WARM_UP_SHARE = 0.25

/**
 * Ordinary least squares: the slope, and its interval from Student's t distribution with n − 2 degrees of freedom. Successive samples are
 * not independent, so the interval is too narrow; the tolerances of {@link driftFaults} allow for it.
 *
 * @param points at least three
 */
export function slopeOf(points: readonly (readonly [seconds: number, value: number])[]): Slope {
  const count = points.length
  const meanX = points.reduce((sum, [x]) => sum + x, 0) / count
  const meanY = points.reduce((sum, [, y]) => sum + y, 0) / count
  let [xx, xy] = [0, 0]
  for (const [x, y] of points) {
    xx += (x - meanX) ** 2
    xy += (x - meanX) * (y - meanY)
  }
  const slope = xy / xx
  const residual = points.reduce((sum, [x, y]) => sum + (y - meanY - slope * (x - meanX)) ** 2, 0)
  const halfWidth = studentQuantile(0.975, count - 2) * Math.sqrt(residual / (count - 2) / xx)
  return { perMinute: slope * 60, low: (slope - halfWidth) * 60, high: (slope + halfWidth) * 60 }
}

export function slopesOf(samples: readonly Sample[]): Record<Measure, Slope> {
  const last = samples.at(-1)?.seconds ?? 0
  const steady = samples.filter(({ seconds }) => seconds >= last * WARM_UP_SHARE)
  const entries = MEASURES.map((measure) => [
    measure,
    slopeOf(steady.map(({ seconds, values }) => [seconds, values[measure]])),
  ])
  return Object.fromEntries(entries) as Record<Measure, Slope>
}

/**
 * The growth a minute that passes. A short run sees the last of the warm-up and few samples: it finds a leak that would fill a process
 * within the hour. A long run finds one of 50 bytes a request.
 */
const TOLERANCES: Readonly<Record<'short' | 'long', Readonly<Record<Measure, number>>>> = {
  short: {
    heapMb: 30,
    externalMb: 30,
    rssMb: 240,
    handles: 60,
    sockets: 60,
    files: 20,
    postgresConnections: 60,
    redisConnections: 10,
  },
  long: {
    heapMb: 0.5,
    externalMb: 0.5,
    rssMb: 3,
    handles: 1,
    sockets: 1,
    files: 0.2,
    postgresConnections: 1,
    redisConnections: 0.2,
  },
}

/** A run of this length is judged as a long one. */
const LONG_SECONDS = 540

/** What grows: the whole confidence interval of its slope lies above the tolerance. */
export function driftFaults(slopes: Readonly<Record<Measure, Slope>>, seconds: number): string[] {
  const tolerances = TOLERANCES[seconds >= LONG_SECONDS ? 'long' : 'short']
  return MEASURES.filter((measure) => slopes[measure].low > tolerances[measure]).map((measure) => {
    const { perMinute, low, high } = slopes[measure]
    return `${measure} grows by ${perMinute.toFixed(2)} a minute (${low.toFixed(2)} to ${high.toFixed(2)}), tolerated ${tolerances[measure]}`
  })
}

/** A p99 of the second half of a run is worse than this only when something accumulates. */
export function latencyFaults([first, second]: readonly [first: number, second: number]): string[] {
  const most = Math.max(3 * first, first + 100)
  return second <= most ? [] : [`p99 of the second half is ${second} ms, of the first ${first} ms`]
}
