import { globSync, readFileSync } from 'node:fs'
import { join } from 'node:path'

const root = join(import.meta.dirname, '../..')

export interface Expression {
  /** Its place, such as `overview: Duration` or `alert HighLatency`. */
  readonly where: string
  readonly text: string
  readonly kind: 'panel' | 'record' | 'alert' | 'logs'
  /** Whether the panel shows exemplars, which are points that lead to traces. */
  readonly exemplars?: boolean
}

/** Grafana's $__rate_interval with the shipped data source: four times 30 s. */
const RATE_INTERVAL = '2m'

/** Series of systems without an image on a machine without a registry. */
const NOT_HERE = /\b(mongodb_|container_)/

export function runsHere({ text }: Expression): boolean {
  return !NOT_HERE.test(text)
}

interface Target {
  expr?: string
  exemplar?: boolean
  datasource?: { type?: string }
}
interface Panel {
  type: string
  title: string
  targets?: Target[]
  panels?: Panel[]
}

/** Every query of every dashboard, from the files that Grafana reads. */
export function dashboardExpressions(): Expression[] {
  return globSync('infra/grafana/dashboards/*.json', { cwd: root })
    .sort()
    .flatMap((file) => {
      const { title, panels } = JSON.parse(readFileSync(join(root, file), 'utf8')) as {
        title: string
        panels: Panel[]
      }
      return allPanels(panels).flatMap((panel) =>
        (panel.targets ?? []).map(({ expr, exemplar, datasource }): Expression => {
          if (expr === undefined) throw new Error(`${file}: ${panel.title} has a query without a text`)
          const kind = datasource?.type === 'loki' ? 'logs' : 'panel'
          return {
            where: `${title}: ${panel.title}`,
            text: expr.replaceAll('$__rate_interval', RATE_INTERVAL),
            kind,
            ...(exemplar && { exemplars: true }),
          }
        }),
      )
    })
}

function allPanels(panels: readonly Panel[]): Panel[] {
  return panels.flatMap((panel) => [panel, ...allPanels(panel.panels ?? [])])
}

interface RuleGroups {
  groups: { rules: { name: string; query: string; type: 'alerting' | 'recording' }[] }[]
}

/** Every rule that Prometheus has loaded. */
export function ruleExpressions(data: unknown): Expression[] {
  return (data as RuleGroups).groups.flatMap(({ rules }) =>
    rules.map(({ name, query, type }): Expression => {
      const kind = type === 'alerting' ? 'alert' : 'record'
      return { where: `${kind} ${name}`, text: query, kind }
    }),
  )
}

/** Number of rules in the files. */
export function rulesInFiles(): number {
  return globSync('infra/prometheus/rules/*.yml', { cwd: root })
    .map((file) => readFileSync(join(root, file), 'utf8').match(/^ +- (record|alert):/gm)?.length ?? 0)
    .reduce((sum, count) => sum + count, 0)
}

/** The names of the series that an expression reads, including `ALERTS` and recorded series. */
export function seriesOf(text: string): string[] {
  const bare = text
    .replace(/"(?:[^"\\]|\\.)*"/g, '""')
    .replace(/\b(by|without|on|ignoring|group_left|group_right)\s*\([^)]*\)/g, ' ')
    .replace(/\{[^}]*\}/g, '{}')
    .replace(/\[[^\]]*\]/g, '')
    .replace(/\boffset\s+\w+/g, ' ')
  const names = bare.match(/[a-zA-Z_:][a-zA-Z0-9_:]*(?!\s*\()(?![a-zA-Z0-9_:])/g) ?? []
  return [...new Set(names)].filter((name) => !WORDS.has(name) && !/^\d/.test(name))
}

const WORDS = new Set(['and', 'or', 'unless', 'bool', 'by', 'on', 'without', 'ignoring', 'e', 'Inf', 'NaN'])
