import { execFile } from 'node:child_process'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { docker } from '../../tools/prod/docker.ts'
import { type Container, openProduction } from '../../tools/prod/production.ts'

const run = promisify(execFile)
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
    /** Requests a second: half of what was measured, so that the others can take over what one leaves. */
    rate: Number(required('PROD_TEST_RATE')),
    authorization: { authorization: `Bearer ${required('PROD_TEST_TOKEN')}` },
    docker,
    /** `pnpm prod …` from outside; resolves with its exit code and all that it printed. */
    async prod(...args: string[]): Promise<{ code: number; output: string }> {
      const command = [join(root, 'tools/prod/main.ts'), ...args]
      try {
        const { stdout, stderr } = await run(process.execPath, command, { maxBuffer: 64 << 20 })
        return { code: 0, output: stdout + stderr }
      } catch (error) {
        const { code, stdout, stderr } = error as { code: number; stdout: string; stderr: string }
        return { code, output: stdout + stderr }
      }
    },
    /** Asks the primary; the rows as psql prints them bare. */
    ask(sql: string): Promise<string> {
      const line = ['psql', '-qtA', '-U', 'postgres', '-d', 'reference', '-c', sql]
      return production.exec(production.state.primary(), line)
    },
    /** One of the service's containers that run. */
    async one(service: string): Promise<Container> {
      const [first] = await production.containers(service)
      if (first === undefined) throw new Error(`no ${service} runs`)
      return first
    },
  }
}
