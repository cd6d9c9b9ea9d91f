import { type ChildProcess, spawn } from 'node:child_process'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { type Container, docker, openProduction } from '@reference/tools/prod'
import type { Failure } from '../testing/load.ts'

const root = join(import.meta.dirname, '../..')

const required = (name: string): string => {
  const value = process.env[name]
  if (!value) throw new Error(`${name} is not set: start these tests with pnpm test:prod`)
  return value
}

/** The production that `pnpm test:prod` has started for these tests. */
export function theProduction() {
  const production = openProduction()
  return {
    production,
    origin: `http://127.0.0.1:${required('HTTP_PORT')}`,
    /** Requests a second: half of the measured capacity, so that the other replicas can take over the load of one. */
    rate: Number(required('PROD_TEST_RATE')),
    authorization: { authorization: `Bearer ${required('PROD_TEST_TOKEN')}` },
    docker,
    /** Runs `pnpm prod …` as a process; resolves with its exit code and its output. */
    prod: async (...args: string[]): Promise<Ended> => startProd(args).ended,
    startProd,
    /** nginx's log lines of these failures, which contain every attempt with its status and time. */
    async logLinesOf(failures: readonly Failure[]): Promise<string[]> {
      if (failures.length === 0) return []
      const lines = (await production.compose(['logs', '--no-log-prefix', 'nginx'])).split('\n')
      return failures
        .slice(0, 20)
        .map(
          (failure) =>
            `${JSON.stringify(failure)} ${lines.find((line) => failure.requestId !== '' && line.includes(`"${failure.requestId}"`)) ?? ''}`,
        )
    },
    /** Runs SQL on the primary; returns the rows as psql prints them unaligned. */
    ask(sql: string): Promise<string> {
      const line = ['psql', '-qtA', '-U', 'postgres', '-d', 'reference', '-c', sql]
      return production.exec(production.state.primary(), line)
    },
    /** A running container of the service. */
    async one(service: string): Promise<Container> {
      const [first] = await production.containers(service)
      if (first === undefined) throw new Error(`no ${service} runs`)
      return first
    },
  }
}

interface Ended {
  code: number
  output: string
}

interface Started {
  child: ChildProcess
  ended: Promise<Ended>
  /** Resolves as soon as the process has printed the text. */
  printed(part: string): Promise<void>
}

function startProd(args: readonly string[], env: Record<string, string> = {}): Started {
  const child = spawn(process.execPath, [join(root, 'tools/prod/main.ts'), ...args], {
    env: { ...process.env, ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  let so = ''
  child.stdout.setEncoding('utf8').on('data', (chunk: string) => {
    so += chunk
  })
  const closed = new Promise<number>((resolve) => child.once('close', (code) => resolve(code ?? 1)))
  const errors = text(child.stderr)
  return {
    child,
    ended: (async () => ({ code: await closed, output: so + (await errors) }))(),
    printed: (part) =>
      new Promise((resolve, reject) => {
        const look = () => so.includes(part) && resolve()
        child.stdout.on('data', look)
        void closed.then((code) => reject(new Error(`ended with ${code} before it printed ${part}: ${so}`)))
        look()
      }),
  }
}

/** Prints a figure to standard error, because the runner prints only a count for passed tests. */
export function report(line: string): void {
  process.stderr.write(`     ${line}\n`)
}
