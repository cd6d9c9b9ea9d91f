import type { Registry } from '@prometheus-io/client'

export interface Exposition {
  type: string
  body: string
}

/** A sample of a metric of @prometheus-io/client; the samples of a histogram carry their own names. */
interface Sample {
  metricName?: string
  labels?: Readonly<Record<string, string | number>>
  value: number
  exemplar?: Exemplar | null
}

/** One request of a bucket, whose trace explains why that bucket grows. */
export interface Exemplar {
  labelSet: Readonly<Record<string, string>>
  value: number
  /** Seconds since 1970. */
  timestamp: number
}

const OPEN_METRICS = 'application/openmetrics-text'

/**
 * Writes the registry in the format that the scraper accepts: OpenMetrics, the only one with exemplars, or else the
 * Prometheus text format.
 *
 * The client's own OpenMetrics writer changes the registry: its counters lose their suffix permanently, and the next
 * scrape in the text format gets other names.
 */
export async function expose(registry: Registry, accept = ''): Promise<Exposition> {
  if (!accept.includes(OPEN_METRICS)) return { type: registry.contentType, body: await registry.metrics() }
  // Typed as the description of a metric; the value is the metric itself.
  const metrics = registry.getMetricsAsArray() as unknown as { get(): Promise<Family> }[]
  const families = await Promise.all(metrics.map((metric) => metric.get()))
  const lines = families.flatMap(familyLines)
  return { type: `${OPEN_METRICS}; version=1.0.0; charset=utf-8`, body: `${lines.join('\n')}\n# EOF\n` }
}

interface Family {
  name: string
  help: string
  type: string
  values: readonly Sample[]
}

function familyLines({ name, help, type, values }: Family): string[] {
  // The family of a counter has no suffix; its samples have one.
  const family = type === 'counter' ? name.replace(/_total$/, '') : name
  const sampleName = type === 'counter' ? `${family}_total` : name
  return [
    `# TYPE ${family} ${type}`,
    `# HELP ${family} ${escaped(help)}`,
    ...values.map((sample) => sampleLine(sample.metricName ?? sampleName, sample)),
  ]
}

function sampleLine(name: string, { labels = {}, value, exemplar }: Sample): string {
  const line = `${name}${braced(labels)} ${numeral(value)}`
  if (!exemplar) return line
  return `${line} # {${pairs(exemplar.labelSet)}} ${numeral(exemplar.value)} ${exemplar.timestamp}`
}

function braced(labels: Readonly<Record<string, string | number>>): string {
  const inside = pairs(labels)
  return inside === '' ? '' : `{${inside}}`
}

function pairs(labels: Readonly<Record<string, string | number>>): string {
  return Object.entries(labels)
    .map(([name, value]) => `${name}="${escaped(String(value))}"`)
    .join(',')
}

function escaped(text: string): string {
  return text.replaceAll('\\', '\\\\').replaceAll('\n', '\\n').replaceAll('"', '\\"')
}

function numeral(value: number): string {
  if (value === Number.POSITIVE_INFINITY) return '+Inf'
  return value === Number.NEGATIVE_INFINITY ? '-Inf' : String(value)
}
