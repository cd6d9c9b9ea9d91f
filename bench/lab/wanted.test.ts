import { settings } from '@reference/config'
import t from 'tap'
import { Wanted } from './wanted.ts'
import { describeWorkloads, hotIds, initialLoad, workloads } from './workloads.ts'

t.test('a change is reported at once and raises the revision', async (t) => {
  let seen = 0
  const wanted = new Wanted(({ revision }) => {
    seen = revision
  })
  const changed = wanted.changed(new AbortController().signal)
  wanted.setSettings({ CACHE_L1: 'off', CACHE_L2: 'on', DB_POOL_MAX: '5', WORKER_THREADS: '' })
  await changed
  t.same(wanted.settings, { CACHE_L1: 'off', DB_POOL_MAX: '5' }, 'shipped and empty values are left out')
  wanted.setLoad({ ...initialLoad(), callers: 5 })
  t.equal(wanted.load.callers, 5)
  t.equal(seen, 2)
})

t.test('settings that a service would refuse are refused by name', async (t) => {
  const wanted = new Wanted(() => {})
  t.throws(() => wanted.setSettings({ DB_POOL_MAX: '0' }), { code: 'BAD_SETTING', message: /DB_POOL_MAX/ })
  t.throws(() => wanted.setSettings({ CACHE_L1: 'maybe' }), { code: 'BAD_SETTING', message: /on or off/ })
  for (const name of ['NODE_OPTIONS', 'DATABASE_URL', 'HOST', 'PATH'])
    t.throws(() => wanted.setSettings({ [name]: 'x' }), { code: 'BAD_SETTING', message: /no tuning switch/ })
  t.throws(() => wanted.setLoad({ ...initialLoad(), workload: 'none' }), { code: 'NO_WORKLOAD' })
  t.equal(wanted.revision, 0)
})

t.test('a change that starts a service ends the fault, and an impossible fault is refused', async (t) => {
  const wanted = new Wanted(() => {})
  wanted.setFault('postgres')
  wanted.setLoad({ ...initialLoad(), callers: 9 })
  t.equal(wanted.fault, 'postgres', 'the load may change meanwhile')
  wanted.setSettings({ METRICS: 'off' })
  t.equal(wanted.fault, null)
  wanted.setFault('postgres')
  wanted.setLoad(initialLoad('all'))
  t.equal(wanted.fault, null)
  wanted.setImpossible({ redis: 'There is no Redis' })
  t.throws(() => wanted.setFault('redis'), { code: 'IMPOSSIBLE', message: 'There is no Redis' })
})

t.test('each switch of the settings table has a workload that shows it', async (t) => {
  const { switches } = describeWorkloads()
  const tunings = Object.entries(settings).flatMap(([name, setting]) => ('tuning' in setting ? [name] : []))
  t.same(
    switches.map(({ name }) => name),
    tunings,
  )
  for (const { name, workload } of switches)
    t.ok(
      workloads.some((each) => each.name === workload),
      `${name}: ${workload}`,
    )
})

t.test('the mix has the hit ratio and the share of writes that were asked for', async (t) => {
  const [mix] = workloads
  const dataset = { users: 20_000, products: 100, orders: 100 }
  for (const [hitRatio, writeShare] of [
    [0.9, 0.05],
    [0, 0.5],
    [1, 0],
    [0.4, 0.2],
  ] as const) {
    const requests = mix?.requests(dataset, { ...initialLoad(), hitRatio, writeShare }) ?? []
    const writes = requests.filter(({ method }) => method === 'PATCH')
    const reads = requests.filter(({ method }) => method !== 'PATCH').map(({ path }) => path)
    t.ok(Math.abs(writes.length / requests.length - writeShare) < 0.02, `${writeShare} writes`)
    const hot = new Set(hotIds(dataset).map((id) => `/users/${id}`))
    const cold = reads.filter((path) => !hot.has(path))
    t.ok(Math.abs(cold.length / reads.length - (1 - hitRatio)) < 0.02, `${hitRatio} hits`)
    t.equal(new Set(cold).size, cold.length, 'no user that stands for a miss is read twice')
    t.ok(requests.length >= 4000)
  }
})
