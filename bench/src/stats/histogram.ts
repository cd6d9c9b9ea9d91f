import * as hdr from 'hdr-histogram-js'

export type Histogram = hdr.Histogram

/** An HDR histogram of microseconds, up to two minutes, three significant digits. */
export function createHistogram(): Histogram {
  return hdr.build({
    lowestDiscernibleValue: 1,
    highestTrackableValue: 120_000_000,
    numberOfSignificantValueDigits: 3,
    bitBucketSize: 32,
  })
}

export function encodeHistogram(histogram: Histogram): string {
  return hdr.encodeIntoCompressedBase64(histogram)
}

/** Merges encoded histograms into one. */
export function mergeHistograms(encoded: readonly string[]): Histogram {
  const merged = createHistogram()
  for (const text of encoded) merged.add(hdr.decodeFromCompressedBase64(text))
  return merged
}

interface Percentiles {
  readonly p50: number
  readonly p95: number
  readonly p99: number
  readonly p999: number
  readonly max: number
}

/** Percentiles in milliseconds. */
export function percentilesOf(histogram: Histogram): Percentiles {
  const at = (percentile: number) => histogram.getValueAtPercentile(percentile) / 1000
  return { p50: at(50), p95: at(95), p99: at(99), p999: at(99.9), max: histogram.maxValue / 1000 }
}

/** Points `[percentile, ms]` of the distribution, denser towards the tail, up to the highest percentile that the samples support. */
export function curveOf(histogram: Histogram): [percentile: number, ms: number][] {
  const points: [number, number][] = []
  for (let tail = 1; tail * histogram.totalCount >= 1 && tail > 1e-6; tail *= 0.85) {
    const percentile = 100 * (1 - tail)
    points.push([Number(percentile.toFixed(4)), histogram.getValueAtPercentile(percentile) / 1000])
  }
  return points
}
