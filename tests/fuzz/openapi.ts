import { Ajv2020, type ValidateFunction } from 'ajv/dist/2020.js'
import addFormats from 'ajv-formats'

/** The part of JSON Schema that the documents of the services use. */
export interface Schema {
  readonly type?: string
  readonly enum?: readonly unknown[]
  readonly const?: unknown
  readonly anyOf?: readonly Schema[]
  readonly pattern?: string
  readonly format?: string
  readonly minLength?: number
  readonly maxLength?: number
  readonly minimum?: number
  readonly maximum?: number
  readonly properties?: Readonly<Record<string, Schema>>
  readonly required?: readonly string[]
}

export interface Parameter {
  readonly name: string
  readonly in: 'path' | 'query' | 'header'
  readonly required?: boolean
  readonly schema: Schema
}

interface Content {
  readonly schema?: Schema
}

interface Response {
  readonly content?: Readonly<Record<string, Content>>
}

/** One method of one path. */
export interface Operation {
  /** In capitals. */
  readonly method: string
  /** With parameters in braces, such as `/users/{id}`. */
  readonly path: string
  readonly parameters: readonly Parameter[]
  readonly body: Schema | undefined
  /** By status; the one named `default` is every problem. */
  readonly responses: Readonly<Record<string, Response>>
}

export const PROBLEM = 'application/problem+json'

/** What an OpenAPI document says. */
export interface Api {
  readonly operations: readonly Operation[]
  /** Calls reach the service through nginx, which has limits of its own. */
  readonly throughNginx?: boolean
  /** The faults of a value by a schema of this document; empty for a valid value. */
  faults(schema: Schema, value: unknown): string[]
}

interface Document {
  readonly paths: Readonly<
    Record<
      string,
      Readonly<
        Record<
          string,
          {
            readonly parameters?: readonly Parameter[]
            readonly requestBody?: { readonly content: Readonly<Record<string, Content>> }
            readonly responses?: Readonly<Record<string, Response>>
          }
        >
      >
    >
  >
}

/** Reads the document that a service serves. */
export async function readApi(origin: string): Promise<Api> {
  const reply = await fetch(`${origin}/openapi.json`)
  if (!reply.ok) throw new Error(`${origin}/openapi.json answered ${reply.status}`)
  return apiOf((await reply.json()) as Document)
}

export function apiOf({ paths }: Document): Api {
  const operations = Object.entries(paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, { parameters = [], requestBody, responses = {} }]) => ({
      method: method.toUpperCase(),
      path,
      parameters,
      body: requestBody?.content['application/json']?.schema,
      responses,
    })),
  )
  const ajv = new Ajv2020({ strict: false, allErrors: true })
  addFormats.default(ajv)
  const compiled = new Map<Schema, ValidateFunction>()
  return {
    operations,
    faults(schema, value) {
      const validate = compiled.get(schema) ?? ajv.compile(schema)
      compiled.set(schema, validate)
      if (validate(value)) return []
      return (validate.errors ?? []).map(
        ({ instancePath, message }) => `${instancePath || 'body'} ${message}`,
      )
    },
  }
}
