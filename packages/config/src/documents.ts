import { fallbackOf } from './load.ts'
import { servicesOf } from './services-of.ts'
import type { ServiceDefinition, Setting } from './setting.ts'
import { settings } from './settings.ts'

type Services = readonly ServiceDefinition[]

const ROWS = Object.entries<Setting>(settings)

/** The text of `.env.example`: every setting, commented out at its default. */
export function environmentExample(services: Services): string {
  const head =
    '# Every setting of both services; made from packages/config/src/settings.ts by `pnpm generate`.\n' +
    '# NAME_FILE reads the value of NAME from a file. An empty value counts as absent.\n'
  return `${head}\n${ROWS.map((row) => environmentEntry(row, services)).join('\n')}`
}

function environmentEntry([name, setting]: [string, Setting], services: Services): string {
  const readers = servicesOf(name, services)
  const only = readers === services ? '' : ` (${readers.map((service) => service.name).join(', ')})`
  const tuning = setting.tuning
  const lines = [`# ${setting.description}${only}`, `#   ${setting.expects}${unitOf(setting)}`]
  if (tuning !== undefined) {
    lines.push(`#   untuned: ${tuning.naive}; shown by: pnpm bench ${tuning.scenario}`)
  }
  return `${lines.join('\n')}\n# ${name}=${defaultOf(name, setting, services).value}\n`
}

/** A Markdown table of the tuning switches: default, effect, and the scenario that shows the effect. */
export function tuningTable(services: Services): string {
  const head = '| switch | default | untuned | what it does | shown by |\n|---|---|---|---|---|\n'
  const body = ROWS.flatMap(([name, setting]) => {
    if (setting.tuning === undefined) return []
    const { scenario, naive } = setting.tuning
    const cells = [
      `\`${name}\``,
      defaultCell(name, setting, services),
      naive,
      setting.description,
      `\`bench ${scenario}\``,
    ]
    return [`| ${cells.join(' | ')} |`]
  })
  return `${head}${body.join('\n')}\n`
}

/** A Markdown table of the settings without the tuning switches. */
export function settingTable(services: Services): string {
  const head = '| setting | default | what it does |\n|---|---|---|\n'
  const body = ROWS.flatMap(([name, setting]) =>
    setting.tuning === undefined
      ? [`| \`${name}\` | ${defaultCell(name, setting, services)} | ${setting.description} |`]
      : [],
  )
  return `${head}${body.join('\n')}\n`
}

function defaultCell(name: string, setting: Setting, services: Services): string {
  const { value, note } = defaultOf(name, setting, services)
  return `${value || '–'}${value ? unitOf(setting) : ''}${note}`
}

/** The default as text, the same on every machine: a default that is computed from the machine has no text. */
function defaultOf(name: string, setting: Setting, services: Services): { value: string; note: string } {
  if (typeof setting.fallback === 'function' && setting.fallback.length === 0) return { value: '', note: '' }
  const readers = servicesOf(name, services)
  const values = [...new Set(readers.map((service) => textOf(fallbackOf(setting, service))))]
  const note = values.length > 1 ? ` (${readers[1]?.name}: ${values[1]})` : ''
  return { value: values[0] ?? '', note }
}

function textOf(value: unknown): string {
  if (typeof value === 'boolean') return value ? 'on' : 'off'
  return value === undefined ? '' : String(value)
}

function unitOf({ unit }: Setting): string {
  return unit === undefined ? '' : ` ${unit}`
}
