/** The part of JSON Schema whose changes have rules. A change of any other keyword is reported as such. */
export interface Schema {
  readonly type?: string | readonly string[]
  readonly enum?: readonly unknown[]
  readonly const?: unknown
  readonly anyOf?: readonly Schema[]
  readonly oneOf?: readonly Schema[]
  readonly format?: string
  readonly pattern?: string
  readonly minimum?: number
  readonly maximum?: number
  readonly minLength?: number
  readonly maxLength?: number
  readonly minItems?: number
  readonly maxItems?: number
  readonly items?: Schema
  readonly properties?: Readonly<Record<string, Schema>>
  readonly required?: readonly string[]
  readonly additionalProperties?: boolean | Schema
}

/** `request`: a value that was accepted must stay accepted. `reply`: a client must understand every value that may now arrive. */
export type Direction = 'request' | 'reply'

interface Comparison {
  readonly before: Schema
  readonly after: Schema
  readonly direction: Direction
  /** Where the schema is, as in `items[].id`. */
  readonly at: string
}

/** Keywords that say nothing about which values are valid. */
const ANNOTATIONS = new Set(['description', 'title', 'example', 'examples', 'default', 'deprecated'])

const LOWER_BOUNDS = ['minimum', 'minLength', 'minItems'] as const
const UPPER_BOUNDS = ['maximum', 'maxLength', 'maxItems'] as const

const WITH_RULES = new Set<string>([
  ...['type', 'enum', 'const', 'anyOf', 'oneOf', 'format', 'pattern', 'items'],
  ...['properties', 'required', 'additionalProperties'],
  ...LOWER_BOUNDS,
  ...UPPER_BOUNDS,
])

/**
 * The changes of a schema that break a client, in words. A reply may gain properties: a client ignores an unknown one.
 */
export function breakingSchemaChanges(
  before: Schema | undefined,
  after: Schema | undefined,
  direction: Direction,
  at = '',
): string[] {
  if (before === undefined || after === undefined) return []
  return alternativeChanges({ before, after, direction, at })
}

function alternativeChanges({ before, after, direction, at }: Comparison): string[] {
  const [olds, news] = [alternativesOf(before), alternativesOf(after)]
  const [old, now] = [olds[0], news[0]]
  if (olds.length === 1 && news.length === 1 && old !== undefined && now !== undefined)
    return changes({ before: old, after: now, direction, at })
  const fits = (one: Schema, other: Schema) =>
    changes({ before: one, after: other, direction, at }).length === 0
  const lost =
    direction === 'request'
      ? olds.filter((one) => !news.some((other) => fits(one, other)))
      : news.filter((other) => !olds.some((one) => fits(one, other)))
  const verb = direction === 'request' ? 'no longer accepts' : 'may now be'
  return lost.map((schema) => `${named(at)} ${verb} ${JSON.stringify(schema)}`)
}

function alternativesOf(schema: Schema): readonly Schema[] {
  const { anyOf, oneOf, type, ...rest } = schema
  const listed = anyOf ?? oneOf
  if (listed !== undefined) return listed.flatMap(alternativesOf)
  return Array.isArray(type) ? type.map((each: string) => ({ ...rest, type: each })) : [schema]
}

function changes(comparison: Comparison): string[] {
  const { before, after, direction, at } = comparison
  if (before.type !== after.type && !isWider(comparison))
    return [`${named(at)} was ${before.type ?? 'any value'} and is ${after.type ?? 'any value'}`]
  return [
    ...enumChanges(comparison),
    ...(direction === 'request' ? boundChanges(comparison) : []),
    ...propertyChanges(comparison),
    ...otherChanges(comparison),
    ...breakingSchemaChanges(before.items, after.items, direction, `${at}[]`),
  ]
}

/** A request that may be any number was one that may be any integer; for replies the other way round. */
function isWider({ before, after, direction }: Comparison): boolean {
  const [narrow, wide] = direction === 'request' ? [before, after] : [after, before]
  return wide.type === undefined || (narrow.type === 'integer' && wide.type === 'number')
}

function enumChanges({ before, after, direction, at }: Comparison): string[] {
  const [olds, news] = [valuesOf(before), valuesOf(after)]
  const [small, large] = direction === 'request' ? [olds, news] : [news, olds]
  if (large === undefined) return []
  if (small === undefined)
    return [`${named(at)} ${direction === 'request' ? 'now has' : 'no longer has'} a list of values`]
  const texts = new Set(large.map((value) => JSON.stringify(value)))
  const verb = direction === 'request' ? 'no longer accepts' : 'may now be'
  return small
    .map((value) => JSON.stringify(value))
    .filter((value) => !texts.has(value))
    .map((value) => `${named(at)} ${verb} ${value}`)
}

function valuesOf(schema: Schema): readonly unknown[] | undefined {
  return 'const' in schema ? [schema.const] : schema.enum
}

function boundChanges({ before, after, at }: Comparison): string[] {
  const lower = LOWER_BOUNDS.filter((name) => (after[name] ?? -Infinity) > (before[name] ?? -Infinity))
  const upper = UPPER_BOUNDS.filter((name) => (after[name] ?? Infinity) < (before[name] ?? Infinity))
  return [...lower, ...upper].map(
    (name) => `${named(at)}: ${name} was ${before[name] ?? 'unlimited'} and is ${after[name]}`,
  )
}

function propertyChanges({ before, after, direction, at }: Comparison): string[] {
  const [olds, news] = [before.properties ?? {}, after.properties ?? {}]
  const place = (name: string) => (at === '' ? name : `${at}.${name}`)
  const removed = Object.keys(olds).filter((name) => !Object.hasOwn(news, name))
  const [few, many] = direction === 'request' ? [before, after] : [after, before]
  const required = (many.required ?? []).filter(
    (name) => !few.required?.includes(name) && !(direction === 'reply' && removed.includes(name)),
  )
  const closed =
    direction === 'request' && before.additionalProperties !== false && after.additionalProperties === false
  return [
    ...removed.map((name) => `${place(name)} was removed`),
    ...required.map(
      (name) => `${place(name)} is ${direction === 'request' ? 'now required' : 'no longer always there'}`,
    ),
    ...(closed ? [`${named(at)} no longer accepts other properties`] : []),
    ...Object.keys(olds).flatMap((name) =>
      breakingSchemaChanges(olds[name], news[name], direction, place(name)),
    ),
    ...breakingSchemaChanges(
      schemaOf(before.additionalProperties),
      schemaOf(after.additionalProperties),
      direction,
      place('*'),
    ),
  ]
}

function schemaOf(value: boolean | Schema | undefined): Schema | undefined {
  return typeof value === 'object' ? value : undefined
}

/** A format or pattern that appears, or differs, and keywords without a rule. */
function otherChanges({ before, after, direction, at }: Comparison): string[] {
  const [olds, news] = [before, after] as unknown as Readonly<Record<string, unknown>>[]
  const names = new Set([...Object.keys(before), ...Object.keys(after)])
  return [...names]
    .filter((name) => !ANNOTATIONS.has(name))
    .filter((name) => !WITH_RULES.has(name) || name === 'format' || name === 'pattern')
    .filter((name) => JSON.stringify(olds?.[name]) !== JSON.stringify(news?.[name]))
    .filter((name) => !isLoosened(name, olds ?? {}, news ?? {}, direction))
    .map(
      (name) =>
        `${named(at)}: ${name} was ${JSON.stringify(olds?.[name])} and is ${JSON.stringify(news?.[name])}`,
    )
}

/** A request may lose its format, and a reply its pattern, of which no client depends. */
function isLoosened(
  name: string,
  before: Readonly<Record<string, unknown>>,
  after: Readonly<Record<string, unknown>>,
  direction: Direction,
): boolean {
  if (name !== 'format' && name !== 'pattern') return false
  if (direction === 'request') return after[name] === undefined
  return name === 'pattern' || before[name] === undefined
}

function named(at: string): string {
  return at === '' ? 'the value' : at
}
