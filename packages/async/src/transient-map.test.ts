import { execFileSync } from 'node:child_process'
import t from 'tap'
import { RENEW_AFTER, TransientMap } from './transient-map.ts'
import { TransientSet } from './transient-set.ts'

t.test('a transient map is a map, also after it was renewed', async (t) => {
  const map = new TransientMap<number, string>()
  const wanted = new Map<number, string>()
  for (let n = 0; n < 5 * RENEW_AFTER; n++) {
    map.set(n % 700, `value ${n}`)
    wanted.set(n % 700, `value ${n}`)
    if (n % 3 !== 0) t.equal(map.delete((n * 7) % 700), wanted.delete((n * 7) % 700))
    if (map.get(n % 11) !== wanted.get(n % 11)) t.fail(`${n}`)
  }
  t.same([...map], [...wanted])
  t.same([...map.keys()], [...wanted.keys()])
  t.same([...map.values()], [...wanted.values()])
  t.equal(map.size, wanted.size)
  t.equal(map.get(-1), undefined)
})

t.test('a transient set keeps the order, also after it was renewed', async (t) => {
  const set = new TransientSet<number>()
  for (let n = 0; n < 3 * RENEW_AFTER; n++) {
    set.add(n)
    if (n >= 5) t.ok(set.delete(n - 5))
  }
  const last = 3 * RENEW_AFTER - 1
  t.same([...set], [last - 4, last - 3, last - 2, last - 1, last])
  t.ok(set.has(last))
  t.notOk(set.delete(0))
  t.equal(set.size, 5)
})

t.test('what is deleted during an iteration is not visited', async (t) => {
  const set = new TransientSet<number>()
  for (const n of [1, 2, 3]) set.add(n)
  const visited: number[] = []
  for (const n of set) {
    visited.push(n)
    set.delete(2)
  }
  t.same(visited, [1, 3])
})

/** Replaces 50 entries again and again, after the table has reached the old generation; prints the number of major collections. */
const CHURN = `
  import { PerformanceObserver, constants } from 'node:perf_hooks'
  const { TransientMap } = await import(process.argv[1] + '/transient-map.ts')
  const { TransientSet } = await import(process.argv[1] + '/transient-set.ts')
  const kinds = { Set, Map, TransientSet, TransientMap }
  const kind = process.argv[2]
  const entries = new kinds[kind]()
  const add = (entry) => kind.endsWith('Set') ? entries.add(entry) : entries.set(entry.n, entry)
  const remove = (entry) => entries.delete(kind.endsWith('Set') ? entry : entry.n)
  let major = 0
  new PerformanceObserver((list) => {
    for (const { detail } of list.getEntries()) if (detail.kind !== constants.NODE_PERFORMANCE_GC_MINOR) major++
  }).observe({ entryTypes: ['gc'] })
  add({ n: -1 })
  for (let i = 0; i < 3; i++) gc({ type: 'minor' })
  for (let n = 0; n < 200_000; n += 50) {
    const batch = Array.from({ length: 50 }, (_, i) => ({ n: n + i, payload: new Array(500).fill(n) }))
    batch.forEach(add)
    batch.forEach(remove)
  }
  await new Promise((resolve) => setTimeout(resolve, 50))
  process.stdout.write(String(major))
`

t.test('deleted entries do not survive minor collections', async (t) => {
  const majorCollections = (kind: string) =>
    Number(
      execFileSync(
        process.execPath,
        ['--expose-gc', '--input-type=module', '-e', CHURN, '--', import.meta.dirname, kind],
        {
          encoding: 'utf8',
        },
      ),
    )
  for (const kind of ['Set', 'Map']) {
    const builtIn = majorCollections(kind)
    t.ok(builtIn > 3, `${kind}: ${builtIn}; the reason for these classes is gone`)
    const transient = majorCollections(`Transient${kind}`)
    t.ok(transient <= 2, `Transient${kind}: ${transient}`)
  }
})
