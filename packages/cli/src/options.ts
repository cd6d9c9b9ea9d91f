import { UsageError } from './errors.ts'

/** One `--option` of a command: its line in the help text, and how its text becomes a value. */
export interface Option<Value> {
  readonly type: 'string' | 'boolean'
  readonly short?: string
  /** Stands for the value in the help text, such as N. */
  readonly placeholder?: string
  readonly help: string
  /**
   * @param given every text that was given, or true for a flag; undefined without the option
   * @throws UsageError
   */
  parse(given: readonly string[] | boolean | undefined, name: string): Value
}

interface Described {
  help: string
  placeholder?: string
  short?: string
}

/** On when given. */
export function flag({ help, short }: Pick<Described, 'help' | 'short'>): Option<boolean> {
  return { type: 'boolean', help, ...(short && { short }), parse: (given) => given === true }
}

/** Any text. */
export function text(of: Described & { fallback: string }): Option<string>
export function text(of: Described): Option<string | undefined>
export function text(of: Described & { fallback?: string }): Option<string | undefined> {
  return valueOption(of, 'TEXT', (given) => given)
}

/** Any text, as often as it is given. */
export function texts({ help, placeholder = 'TEXT', short }: Described): Option<readonly string[]> {
  return {
    type: 'string',
    help,
    placeholder,
    ...(short && { short }),
    parse: (given) => (Array.isArray(given) ? given : []),
  }
}

interface IntegerLimits {
  minimum?: number
  maximum?: number
}

/** A whole number in decimal digits, 0 to 2^53 − 1 unless limited further. */
export function integer(of: Described & IntegerLimits & { fallback: number }): Option<number>
export function integer(of: Described & IntegerLimits): Option<number | undefined>
export function integer(of: Described & IntegerLimits & { fallback?: number }): Option<number | undefined> {
  return valueOption(of, 'N', (given, name) => parseInteger(given, `--${name}`, of))
}

/** A TCP port, 1 to 65535. */
export function port(of: Described & { fallback: number }): Option<number>
export function port(of: Described): Option<number | undefined>
export function port(of: Described & { fallback?: number }): Option<number | undefined> {
  return valueOption(of, 'PORT', (given, name) =>
    parseInteger(given, `--${name}`, { minimum: 1, maximum: 65_535 }),
  )
}

/** One of the names. */
export function oneOf<Name extends string>(
  names: readonly Name[],
  of: Described & { fallback: NoInfer<Name> },
): Option<Name>
export function oneOf<Name extends string>(names: readonly Name[], of: Described): Option<Name | undefined>
export function oneOf<Name extends string>(
  names: readonly Name[],
  of: Described & { fallback?: NoInfer<Name> },
): Option<Name | undefined> {
  return valueOption({ placeholder: names.join('|'), ...of }, '', (given, name) => {
    const found = names.find((each) => each === given)
    if (found === undefined) throw new UsageError(`--${name} is one of ${names.join(', ')}, got '${given}'`)
    return found
  })
}

/**
 * Reads a whole number.
 *
 * @param subject named in the message, such as `--limit`
 * @throws UsageError when it is not one, or outside of the limits
 */
export function parseInteger(given: string, subject: string, limits: IntegerLimits = {}): number {
  const { minimum = 0, maximum = Number.MAX_SAFE_INTEGER } = limits
  const value = /^\d{1,16}$/.test(given) ? Number(given) : Number.NaN
  if (value >= minimum && value <= maximum) return value
  const range =
    maximum === Number.MAX_SAFE_INTEGER ? `of at least ${minimum}` : `from ${minimum} to ${maximum}`
  throw new UsageError(`${subject} takes a whole number ${range}, got '${given}'`)
}

function valueOption<Value>(
  of: Described & { fallback?: Value },
  placeholder: string,
  parse: (given: string, name: string) => Value,
): Option<Value | undefined> {
  const { help, fallback, short } = of
  return {
    type: 'string',
    placeholder: of.placeholder ?? placeholder,
    help: fallback === undefined ? help : `${help} (${String(fallback)})`,
    ...(short && { short }),
    parse: (given, name) => (Array.isArray(given) ? parse(String(given.at(-1)), name) : fallback),
  }
}
