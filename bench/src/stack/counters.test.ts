import t from 'tap'
import { naiveEnvironment, tuningSwitches } from '../run/switches.ts'
import { type Counters, costsBetween, parseCommandStats, totalsBetween } from './counters.ts'

const at = (
  statements: Record<string, number>,
  commands: Record<string, number>,
  more: Partial<Counters> = {},
): Counters => ({
  statements: new Map(Object.entries(statements).map(([text, calls]) => [text, { calls, plans: 0 }])),
  commands: new Map(Object.entries(commands)),
  redisBytes: 0,
  redisReads: 0,
  ...more,
})

t.test('work of every request is counted in whole numbers, without background work', async (t) => {
  const before = at({ 'SELECT 1': 10, poll: 5 }, { get: 100, ping: 7 })
  const after = at(
    { 'SELECT 1': 60, poll: 8, 'INSERT  INTO\n x': 100 },
    { get: 151, ping: 90, set: 2 },
    { redisBytes: 5000 },
  )
  const costs = costsBetween(before, after, 50)
  t.equal(costs.statements, 3)
  t.same(costs.statementsByText, { 'SELECT 1': 1, 'INSERT INTO x': 2 })
  t.equal(costs.commands, 1)
  t.same(costs.commandsByName, { get: 1 })
  t.equal(costs.redisBytes, 100)
})

t.test('over a whole load everything except connection maintenance is counted', async (t) => {
  const totals = totalsBetween(at({ a: 0 }, {}), at({ a: 100, b: 1 }, { get: 50, info: 9 }), 100)
  t.same(totals, { statements: 1.01, commands: 0.5 })
})

t.test('the probes of the cache are not counted as commands of requests', async (t) => {
  const [before, after] = [
    at({}, { set: 5, del: 5, time: 5 }),
    at({}, { set: 65, del: 25, time: 25, get: 40 }),
  ]
  t.same(costsBetween(before, after, 40).commandsByName, { set: 1, get: 1 })
  t.equal(totalsBetween(before, after, 40).commands, 2)
})

t.test('the counters of Redis are parsed', async (t) => {
  const text = '# Commandstats\r\ncmdstat_get:calls=12,usec=3\r\ncmdstat_client|tracking:calls=1,usec=1\r\n'
  t.same(
    [...parseCommandStats(text)],
    [
      ['get', 12],
      ['client|tracking', 1],
    ],
  )
})

t.test('the untuned app has the untuned value of every switch of its service', async (t) => {
  const environment = naiveEnvironment('reference-api')
  for (const { name, services, naive } of tuningSwitches()) {
    if (services.includes('reference-api')) t.equal(environment[name], naive, name)
    else t.notOk(name in environment, name)
  }
})
