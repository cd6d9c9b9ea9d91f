import type { Option } from './options.ts'

export type Options = Readonly<Record<string, Option<unknown>>>

/** What a command's `run` gets for its options. */
export type Values<Of extends Options> = {
  readonly [Name in keyof Of]: Of[Name] extends Option<infer Value> ? Value : never
}

/** Arguments without a name. */
export interface Positionals {
  /** As the help text has them, such as `FILE…`. */
  readonly placeholder: string
  readonly help: string
  /** 0 unless set. */
  readonly minimum?: number
  /** Any number unless set. */
  readonly maximum?: number
}

/** A command that does something. */
export interface Action<Of extends Options = Options> {
  /** One sentence, imperative. */
  readonly summary: string
  readonly positionals?: Positionals
  readonly options?: Of
  /** Paragraphs after the options: what the command needs, what its exit codes mean. */
  readonly details?: string
  /** @returns an exit code; 0 when there is none */
  run(values: Values<Of>, positionals: readonly string[]): Promise<number | undefined> | number | undefined
}

/** A command that has commands, such as `pnpm ops`. */
export interface Group {
  readonly summary: string
  readonly commands: Readonly<Record<string, Command | LazyCommand>>
  readonly details?: string
}

/** A command whose module is loaded when it is called. */
export interface LazyCommand {
  readonly summary: string
  load(): Promise<Command>
}

// biome-ignore lint/suspicious/noExplicitAny: the options of commands in one record differ, and each was checked by `action`
export type Command = Action<any> | Group

/** Infers the values of `run` from the options. */
export function action<Of extends Options = Record<never, never>>(of: Action<Of>): Action<Of> {
  return of
}
