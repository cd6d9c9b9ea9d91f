import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { REPOSITORY_ROOT } from '@reference/cli'

export interface Interval {
  readonly ratio: number
  readonly low: number
  /** Null: unbounded, from a single boot. */
  readonly high: number | null
}

export interface Side {
  readonly name: string
  readonly label: string
  readonly figures?: {
    readonly rate: number
    readonly cpuMicros: number | null
    readonly fixedRateCpuMicros: number | null
  }
  readonly effect?: { readonly rate: Interval }
}

export interface Row {
  readonly name: string
  readonly title: string
  readonly sides: readonly Side[]
}

/** The parts of the results of `bench floor` and `bench peers` that documents show. */
export interface DuetResults {
  readonly fingerprint: { readonly cpuModel: string; readonly cores: number; readonly node: string }
  readonly versions: Readonly<Record<string, string>>
  readonly rows: readonly Row[]
  readonly starts: readonly {
    readonly label: string
    readonly startMs: number
    readonly idleBytes: number
    readonly loadedBytes: number
  }[]
}

/** The committed results of a command; undefined where the benchmark was removed. */
export function readBaseline(kind: 'floor' | 'peers'): DuetResults | undefined {
  return readCommitted<DuetResults>(baselinePath(kind))
}

/** A committed file of results; undefined where the benchmark was removed. */
export function readCommitted<Results>(path: string): Results | undefined {
  const file = join(REPOSITORY_ROOT, path)
  return existsSync(file) ? (JSON.parse(readFileSync(file, 'utf8')) as Results) : undefined
}

export function baselinePath(kind: 'floor' | 'peers' | 'services' | 'switches' | 'scaling'): string {
  return `bench/baselines/2-cores-${kind}.json`
}

/** 1234.5 → `1,235`; 94321 → `94,300` */
export function rateText(rate: number): string {
  return Number(rate.toPrecision(3)).toLocaleString('en')
}

/** An end of an interval: 2.314 → `2.31`, 31.42 → `31.4` */
export function boundText(value: number): string {
  return value.toFixed(value >= 10 ? 1 : 2)
}

/** 2.314 → `2.3×`, 31.4 → `31×`, 0.953 → `0.95×` */
export function ratioText(ratio: number): string {
  if (ratio >= 10) return `${ratio.toFixed(0)}×`
  return `${ratio.toFixed(ratio < 2 ? 2 : 1)}×`
}
