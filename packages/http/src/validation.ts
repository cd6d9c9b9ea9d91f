import type { AppError, FieldError } from '@reference/errors'
import type { FastifySchemaValidationError, preValidationHookHandler, RouteOptions } from 'fastify'
import { fieldName, textFault } from './json-body.ts'
import { invalid, MAX_FIELD_ERRORS } from './problems.ts'
import { withFirst } from './route-hooks.ts'

/**
 * Ajv's options: values are neither coerced nor silently removed, and all faults are reported, up to
 * {@link MAX_FIELD_ERRORS}.
 */
export const AJV_OPTIONS = {
  coerceTypes: false,
  removeAdditional: false,
  useDefaults: true,
  allErrors: true,
  // TypeBox writes the schemas. Compiling the schema of schemas to check them was 5 % of the CPU time of a start.
  validateSchema: false,
} as const

/** Decimal digits without sign, exponent, leading zero or blank; exact in a double. */
const DECIMAL = /^(?:0|[1-9][0-9]{0,14})$/

type Convert = (text: string) => unknown

/** Text of a path or query becomes a number or boolean only in its canonical spelling. */
const CONVERTERS: Record<string, Convert> = {
  integer: (text) => (DECIMAL.test(text) ? Number(text) : text),
  boolean: (text) => (text === 'true' ? true : text === 'false' ? false : text),
}

/**
 * Makes a route strict when it is registered: unknown query parameters are refused (all of them on a route without a
 * query schema), and text of path and query is converted before Ajv validates it. Ajv's own coercion would accept `1e3`,
 * `+1` and blanks as integers.
 */
export function makeStrict(route: RouteOptions): void {
  const { schema } = route
  if (!schema || schema.hide || route.config?.operational) return
  forbidUnknown(schema.querystring)
  const convert = createConversion(schema.params, schema.querystring)
  route.preValidation = withFirst(convert, route.preValidation)
}

/** Turns Ajv's errors into a 400 that names each field. */
export function validationProblem(errors: FastifySchemaValidationError[], part: string): AppError {
  return invalid(errors.slice(0, MAX_FIELD_ERRORS).map((error) => describe(error, part)))
}

function forbidUnknown(schema: unknown): void {
  const object = schema as { type?: unknown; additionalProperties?: unknown } | undefined
  if (object?.type === 'object') object.additionalProperties ??= false
}

function createConversion(params: unknown, query: unknown): preValidationHookHandler {
  const forParams = convertersOf(params)
  const forQuery = convertersOf(query)
  return (request, _reply, done) => {
    const faults: FieldError[] = []
    convertAll(request.params as Record<string, unknown>, forParams, faults)
    if (query === undefined) refuseAll(request.query as Record<string, unknown>, faults)
    else convertAll(request.query as Record<string, unknown>, forQuery, faults)
    if (faults.length > 0) done(invalid(faults))
    else done()
  }
}

function convertersOf(schema: unknown): Map<string, Convert | undefined> {
  const { properties = {} } = (schema ?? {}) as { properties?: Record<string, { type?: unknown }> }
  return new Map(Object.entries(properties).map(([name, { type }]) => [name, CONVERTERS[String(type)]]))
}

function refuseAll(values: Record<string, unknown>, faults: FieldError[]): void {
  for (const name in values) faults.push({ field: fieldName([name]), message: 'is not a known parameter' })
}

function convertAll(
  values: Record<string, unknown>,
  converters: Map<string, Convert | undefined>,
  faults: FieldError[],
): void {
  for (const name in values) {
    const text = values[name]
    if (Array.isArray(text)) {
      faults.push({ field: fieldName([name]), message: 'is given more than once' })
    } else if (typeof text === 'string') {
      const message = textFault(text)
      if (message !== undefined) faults.push({ field: fieldName([name]), message })
      const convert = converters.get(name)
      if (convert) values[name] = convert(text)
    }
  }
}

function describe(error: FastifySchemaValidationError, part: string): FieldError {
  const path = error.instancePath.split('/').slice(1).map(unescapePointer)
  const { missingProperty, additionalProperty } = error.params as Record<string, string>
  const named = missingProperty ?? additionalProperty
  if (named !== undefined) path.push(named)
  return { field: path.length === 0 ? part : fieldName(path), message: messageOf(error, part) }
}

function messageOf(error: FastifySchemaValidationError, part: string): string {
  const { keyword, params } = error
  if (keyword === 'required') return 'is missing'
  if (keyword === 'additionalProperties')
    return part === 'body' ? 'is not a known field' : 'is not a known parameter'
  if (keyword === 'type' && params.type === 'integer' && part !== 'body') {
    return 'must be a whole number in decimal digits, without sign or leading zero'
  }
  if (keyword === 'enum' && Array.isArray(params.allowedValues)) {
    return `must be one of ${params.allowedValues.join(', ')}`
  }
  return error.message ?? 'is not valid'
}

function unescapePointer(part: string): string {
  return part.replaceAll('~1', '/').replaceAll('~0', '~')
}
