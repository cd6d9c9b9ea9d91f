import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import t from 'tap'
import { runBench } from '../testing/run-bench.ts'
import { duration, httpUrl, share } from './commands/options.ts'
import { readResults } from './report/results-file.ts'

// Two tests start servers, fill them and measure.
t.setTimeout(600_000)

t.test('wrong arguments exit with 64 and a message', async (t) => {
  const wrong: [string[], RegExp][] = [
    [['--nope'], /--nope/],
    [['no-such-scenario'], /no scenario no-such-scenario; there are naive, health/],
    [['--off', 'NOPE'], /no switch NOPE/],
    [['--budget', 'soon'], /--budget takes a time/],
    [['--boots', '0'], /--boots/],
    [['--margin', '500'], /--margin/],
    [['--url', 'ftp://x'], /--url/],
    [['list', 'more'], /Unexpected argument 'more'/],
    [['tune', '--goal', 'fame'], /--goal is one of throughput, p99/],
    [['floor', '--build', 'elsewhere'], /--build is one of dist, sources/],
    [['validate'], /An argument is missing: FILE/],
    [['--record', 'x.json'], /Unknown option '--record'/],
    [['aa', 'no-such-scenario'], /no scenario no-such-scenario/],
  ]
  await Promise.all(
    wrong.map(async ([args, message]) => {
      const { code, stderr, stdout } = await runBench(args)
      t.equal(code, 64, args.join(' '))
      t.match(stderr, message)
      t.equal(stdout, '')
    }),
  )
})

t.test('--help and list answer without starting a server', async (t) => {
  const [help, list] = await Promise.all([runBench(['tune', '--help']), runBench(['list'])])
  t.match(help, { code: 0, stdout: /pnpm bench tune/ })
  t.match(list, { code: 0, stdout: /user-by-id \*/ })
  t.match(list.stdout, /CACHE_L1 +on \(untuned: off\) +user-by-id/)
})

t.test('times, percentages and URLs are parsed', async (t) => {
  const time = duration('')
  t.equal(time.parse(undefined, 'budget'), undefined)
  t.same(
    ['90s', '2m', '1h', '1.5'].map((text) => time.parse([text], 'budget')),
    [90_000, 120_000, 3_600_000, 1500],
  )
  const margin = share('', '5')
  t.same([margin.parse(undefined, 'margin'), margin.parse(['2.5%'], 'margin')], [0.05, 0.025])
  t.equal(httpUrl('').parse(['http://x:1/'], 'url'), 'http://x:1')
})

t.test('validate rejects files that are not results', async (t) => {
  const baseline = fileURLToPath(new URL('../baselines/2-cores.json', import.meta.url))
  const none = fileURLToPath(new URL('../results.schema.json', import.meta.url))
  t.match(await runBench(['validate', baseline]), { code: 0, stdout: /2-cores\.json matches the schema/ })
  t.match(await runBench(['validate', baseline, none]), {
    code: 1,
    stderr: /does not match results\.schema\.json/,
  })
})

t.test('a missing file for --compare is reported before the measurement', async (t) => {
  t.match(await runBench(['--compare', join(t.testdir({}), 'none.json')]), {
    code: 1,
    stderr: /none\.json cannot be read: ENOENT/,
  })
})

t.test(
  'a run with one switch off on real servers has proofs, valid results and a report',
  // .ci/run has the benchmark itself.
  { timeout: 400_000, skip: process.env.SLOW_TESTS === 'on' ? false : 'takes a minute: SLOW_TESTS=on' },
  async (t) => {
    const out = join(t.testdir({}), 'run.json')
    const args = [
      '--off',
      'CACHE_L1',
      '--boots',
      '1',
      '--users',
      '2000',
      '--products',
      '10',
      '--orders',
      '100',
    ]
    const { code, stdout, stderr } = await runBench([...args, '--out', out])
    t.equal(code, 0, `${stdout}${stderr}`)
    const { complete, scenarios, fingerprint } = readResults(out)
    t.equal(complete, true)
    t.match(fingerprint, { postgres: /^18/, redis: /^\d/, node: process.version })
    const [scenario] = scenarios
    t.match(scenario, { name: 'user-by-id', comparisons: [{ variant: 'CACHE_L1=off', verdict: 'refused' }] })
    const proofs = Object.fromEntries(
      scenario?.variants.map(({ name, proof }) => [name, proof.join('; ')]) ?? [],
    )
    t.match(proofs.tuned, /x-cache: l1/)
    t.match(proofs['CACHE_L1=off'], /x-cache: l2/)
    t.match(readFileSync(out.replace('.json', '.html'), 'utf8'), /One user by id[\s\S]*x-cache: l2/)
  },
)

t.test('Ctrl-C stops all processes and writes the results so far', { timeout: 400_000 }, async (t) => {
  const out = join(t.testdir({}), 'run.json')
  let stopped = false
  const { code, pid } = await runBench(
    ['health', '--boots', '50', '--users', '100', '--products', '10', '--orders', '100', '--out', out],
    (stderr, stop) => {
      if (stopped || !/boot 2 /.test(stderr)) return
      stopped = true
      stop()
    },
  )
  t.equal(code, 130)
  t.match(readResults(out), { complete: false, scenarios: [{ variants: [{ boots: [{ boot: 0 }] }] }] })
  if (process.platform === 'linux') t.notOk(existsSync(`/proc/${pid}/task`), 'the process has exited')
})
