import { is, Param, Placeholder, SQL } from 'drizzle-orm'
import { PgDialect } from 'drizzle-orm/pg-core'
import { drizzle, type PostgresJsDatabase } from 'drizzle-orm/postgres-js'

/** What a statement's builder writes with: Drizzle without a connection. */
export type Builder = PostgresJsDatabase

/**
 * A named statement with typed parameters and rows. `name` labels its metrics, so it is one of a fixed set.
 * The first call of `compiled()` does Drizzle's work; later calls return the result.
 */
export interface Statement<Params extends object, Row> extends StatementOptions<Params> {
  readonly name: string
  compiled(): Compiled
  /** Never set; it only carries the types. */
  readonly types?: { params: Params; row: Row }
}

export interface StatementOptions<Params extends object> {
  /** Parameters of a usual call. `ops postgres explain` runs the statement with them. */
  readonly sample?: Params
  /** Why the statement may read a whole table. Without a reason `ops postgres explain` requires an index. */
  readonly fullScanReason?: string
}

export interface Compiled {
  text: string
  /** Sending it twice is the same as once, so a broken connection may be answered by sending it again. */
  readOnly: boolean
  bind(params: object): unknown[]
}

type Built<Row> = SQL | ({ toSQL(): { sql: string; params: unknown[] } } & PromiseLike<Row[]>)

/**
 * Defines a statement once; Drizzle compiles it at its first use and never again: building and compiling a
 * select by id costs 45–70 µs, its parameters then 0.01 µs.
 *
 * Columns come back by the name that SQL gives them, so a builder selects `named` columns (`columns.ts`).
 */
export function statement<Params extends object, Row>(
  name: string,
  build: (db: Builder) => Built<Row>,
  options: StatementOptions<Params> = {},
): Statement<Params, Row> {
  let compiled: Compiled | undefined
  return {
    ...options,
    name,
    compiled() {
      compiled ??= compile(name, build)
      return compiled
    },
  }
}

/** The statements that modules export, each by itself or as a value of an exported object; sorted by name. */
export function statementsOf(...modules: readonly object[]): Statement<object, unknown>[] {
  return modules
    .flatMap((module) => Object.values(module))
    .flatMap((value): unknown[] => (isPlainObject(value) ? Object.values(value) : [value]))
    .filter(isStatement)
    .sort((one, other) => (one.name < other.name ? -1 : 1))
}

function isPlainObject(value: unknown): value is object {
  return typeof value === 'object' && value !== null && !isStatement(value)
}

function isStatement(value: unknown): value is Statement<object, unknown> {
  return typeof value === 'object' && value !== null && 'compiled' in value && 'name' in value
}

function compile<Row>(name: string, build: (db: Builder) => Built<Row>): Compiled {
  const built = build(drizzle.mock())
  const { sql: text, params } = built instanceof SQL ? new PgDialect().sqlToQuery(built) : built.toSQL()
  const readers = params.map((param) => readerOf(name, param))
  return {
    text,
    readOnly:
      /^\s*select\b/i.test(text) && !/\bfor update\b|\bpg_advisory|\bpg_export_snapshot\b/i.test(text),
    bind: (values) => readers.map((read) => read(values as Record<string, unknown>)),
  }
}

type Reader = (values: Record<string, unknown>) => unknown

function readerOf(statement: string, param: unknown): Reader {
  if (is(param, Placeholder)) return (values) => given(statement, param.name, values)
  if (is(param, Param) && is(param.value, Placeholder)) {
    const { name } = param.value
    return (values) => {
      const value = given(statement, name, values)
      return value === null ? null : param.encoder.mapToDriverValue(value)
    }
  }
  return () => param
}

// The driver would find it too, but only when the statement is on its way, and names neither.
function given(statement: string, name: string, values: Record<string, unknown>): unknown {
  const value = values[name]
  if (value === undefined) throw new TypeError(`Statement ${statement} was given no ${name}`)
  return value
}
