import { execFile } from 'node:child_process'
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { promisify } from 'node:util'
import { action, EXIT_CODES, flag, REPOSITORY_ROOT, runCommand, text } from '@reference/cli'
import { docker } from '@reference/tools/prod'
import { checkFault } from './check-fault.ts'
import {
  dashboardExpressions,
  type Expression,
  ruleExpressions,
  rulesInFiles,
  runsHere,
  seriesOf,
} from './expressions.ts'
import { FAULTS } from './faults.ts'
import { startLoad } from './load.ts'
import { ruleTests } from './rule-tests.ts'
import { shortenAll } from './shorten.ts'
import { type Observed, startObserved } from './stack.ts'

const LOAD_MS = 75_000
let passed = 0
let failed = 0

function check(name: string, fault: string | undefined): void {
  if (fault === undefined) passed++
  else failed++
  if (fault !== undefined) process.stdout.write(`not ok ${name}: ${fault}\n`)
}

function promtool(name: string, args: string[], input?: string): Promise<void> {
  return tool(name, ['prometheus', '/bin/promtool', 'prom/prometheus:v3.5.3'], args, input)
}

/** Runs a program of an image, with a folder of infra/ mounted at its usual place. */
async function tool(
  name: string,
  [folder, program, image]: [folder: string, program: string, image: string],
  args: string[],
  input = '',
): Promise<void> {
  const mount = `${join(REPOSITORY_ROOT, 'infra', folder)}:/etc/${folder}:ro`
  const options = ['--rm', '--interactive', '--volume', mount, '--entrypoint', program]
  check(name, await docker(['run', ...options, image, ...args], { input }).then(() => undefined, messageOf))
}

const messageOf = (error: Error) => error.message

/** Checks the files of Prometheus and Alertmanager, and with `rules` runs promtool's cases of each alert. */
async function checkFiles(rules: boolean): Promise<void> {
  for (const name of ['prometheus', 'development']) {
    const file = `/etc/prometheus/${name}.yml`
    await promtool(`promtool check config ${name}`, ['check', 'config', '--lint=all', file])
  }
  await tool(
    'amtool check-config',
    ['alertmanager', 'amtool', 'prom/alertmanager:v0.33.1'],
    ['check-config', '/etc/alertmanager/alertmanager.yml'],
  )
  for (const group of rules ? ruleTests : [])
    await promtool(`promtool test rules ${group}`, ['test', 'rules', `/etc/prometheus/tests/${group}.yml`])
}

/** @returns why the expression has no data; undefined if it has */
async function answerOf(stack: Observed, { text, kind }: Expression): Promise<string | undefined> {
  const result = await stack.query(text).catch((error: Error) => error)
  if (result instanceof Error) return result.message
  if (kind !== 'alert') {
    const known = result.some(({ value: [, value] }) => value !== 'NaN')
    return known ? undefined : `no data: ${text}`
  }
  for (const name of seriesOf(text)) {
    const series = await stack.query(`count({__name__="${name}"})`)
    if (series.length === 0) return `there is no series ${name}`
  }
  return undefined
}

/** @returns why an expression has no exemplars that lead to a trace; undefined if it has */
async function exemplarsOf(stack: Observed, text: string): Promise<string | undefined> {
  const now = Date.now() / 1000
  const path = `query_exemplars?query=${encodeURIComponent(text)}&start=${now - 120}&end=${now}`
  const series = (await stack.prometheus(path)) as { exemplars: { labels: Record<string, string> }[] }[]
  const ids = series.flatMap(({ exemplars }) => exemplars.map(({ labels }) => labels.trace_id ?? ''))
  return ids.length > 0 && ids.every((id) => /^[0-9a-f]{32}$/.test(id)) ? undefined : `no exemplars: ${ids}`
}

async function checkExpressions(stack: Observed): Promise<void> {
  const rules = ruleExpressions(await stack.prometheus('rules'))
  check('every rule of the files is loaded', rules.length === rulesInFiles() ? undefined : `${rules.length}`)
  const all = [...dashboardExpressions(), ...rules].filter(({ kind }) => kind !== 'logs')
  const here = all.filter(runsHere)
  for (const expression of here) {
    check(expression.where, await answerOf(stack, expression))
  }
  process.stdout.write(`${here.length} expressions were evaluated\n`)
  const points = here.filter(({ exemplars }) => exemplars)
  check('a panel asks for exemplars', points.length > 0 ? undefined : 'none does')
  for (const { where, text } of points) {
    check(`exemplars of ${where}`, await exemplarsOf(stack, text))
  }
  for (const { where } of all.filter((expression) => !runsHere(expression))) {
    process.stdout.write(`not run, its system has no image here: ${where}\n`)
  }
}

async function checkMetrics(stack: Observed): Promise<void> {
  for (const service of ['reference-api', 'parallel-api', 'worker']) {
    const text = await stack.compose('exec', '-T', service, 'node', '-e', METRICS_OF)
    await promtool(`promtool check metrics: ${service}`, ['check', 'metrics'], text)
  }
}

const METRICS_OF =
  "fetch('http://127.0.0.1:9000/metrics').then(async (answer) => process.stdout.write(await answer.text()))"

/** Runs all checks on the running stack under load, and stops it. */
async function checkStack(
  stack: Observed,
  { faults, pages }: { faults: boolean; pages: string | undefined },
): Promise<void> {
  const stop = startLoad(stack.url, stack.token)
  for (const signal of ['SIGINT', 'SIGTERM'] as const) {
    process.once(signal, () => void stack.close().then(() => process.exit(130)))
  }
  try {
    process.stdout.write('the stack is up\n')
    await sleep(LOAD_MS)
    await checkExpressions(stack)
    await checkMetrics(stack)
    if (pages !== undefined) {
      const { drawPages } = await import('./pages.ts')
      mkdirSync(pages, { recursive: true })
      for (const [name, html] of await drawPages(stack)) writeFileSync(join(pages, name), html)
    }
    for (const fault of faults ? FAULTS : []) {
      const began = Date.now()
      check(`fault: ${fault.name}`, await checkFault(stack, fault))
      process.stdout.write(`fault, ${Math.round((Date.now() - began) / 1000)} s: ${fault.name}\n`)
    }
  } catch (error) {
    check('the run', (error as Error).stack)
  } finally {
    await stop()
    await stack.close()
  }
}

await runCommand(
  'pnpm test:observability',
  action({
    summary: 'Evaluate every expression of every dashboard and rule on a real Prometheus.',
    options: {
      rules: flag({ help: "also run promtool's cases of each alert, firing and silent" }),
      faults: flag({ help: 'also cause faults, wait for their alerts at the webhook, and for their end' }),
      pages: text({ placeholder: 'FOLDER', help: 'also draw each dashboard as an HTML page' }),
    },
    details: `Starts production with two replicas of each API, the systems beside it, the exporters, Prometheus and Alertmanager, and
sends light load for a minute. Needs a Docker engine. The last line is "N passed, N failed".`,
    async run({ rules, faults, pages }) {
      // Not beside the start of the stack, which needs both of two cores: a health check ran out of time there.
      await checkFiles(rules)
      await promisify(execFile)(process.execPath, ['tools/infra/main.ts', 'bench-metrics'], {
        cwd: REPOSITORY_ROOT,
      })
      const stack = await startObserved(shortenAll).catch((error: Error) => {
        check('the stack starts', error.stack)
      })
      if (stack !== undefined) await checkStack(stack, { faults, pages })
      process.stdout.write(`${passed} passed, ${failed} failed\n`)
      return failed === 0 ? EXIT_CODES.OK : EXIT_CODES.FAILED
    },
  }),
)
