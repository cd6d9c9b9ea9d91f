import { type Option, text, UsageError } from '@reference/cli'

/** `90s`, `10m`, `1h`, or a number of seconds, as milliseconds. */
export function duration(help: string): Option<number | undefined> {
  return parsed(text({ placeholder: 'TIME', help }), (given, name) => {
    const [, digits, unit = 's'] = /^(\d{1,6}(?:\.\d+)?)(s|m|h)?$/.exec(given) ?? []
    const ms = Number(digits) * { s: 1000, m: 60_000, h: 3_600_000 }[unit as 's' | 'm' | 'h']
    if (!(ms > 0)) throw new UsageError(`--${name} takes a time such as 90s or 10m, got '${given}'`)
    return ms
  })
}

/** A percentage as a share: 5 is 0.05. */
export function share(help: string, fallback: string): Option<number> {
  const option = parsed(text({ placeholder: 'PERCENT', help, fallback }), shareOf)
  return { ...option, parse: (given, name) => option.parse(given ?? [fallback], name) ?? 0 }
}

/** A percentage as a share; undefined unless given. */
export function percentage(help: string): Option<number | undefined> {
  return parsed(text({ placeholder: 'PERCENT', help }), shareOf)
}

function shareOf(given: string, name: string): number {
  const value = /^\d{1,2}(\.\d+)?%?$/.test(given) ? Number(given.replace('%', '')) : Number.NaN
  if (Number.isNaN(value)) throw new UsageError(`--${name} takes a percentage below 100, got '${given}'`)
  return value / 100
}

/** An http or https URL without a slash at its end. */
export function httpUrl(help: string): Option<string | undefined> {
  return parsed(text({ placeholder: 'URL', help }), (given, name) => {
    if (!['http:', 'https:'].includes(URL.parse(given)?.protocol ?? ''))
      throw new UsageError(`--${name} takes an http or https URL, got '${given}'`)
    return given.replace(/\/+$/, '')
  })
}

function parsed<Value>(
  option: Option<string | undefined>,
  read: (given: string, name: string) => Value,
): Option<Value | undefined> {
  return {
    ...option,
    parse(given, name) {
      const value = option.parse(given, name)
      return value === undefined ? undefined : read(value, name)
    },
  }
}
