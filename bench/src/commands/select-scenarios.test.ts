import t from 'tap'
import { scenarios } from '../../scenarios/index.ts'
import { tuningSwitches } from '../run/switches.ts'
import { scatteredIds } from '../stack/dataset.ts'
import { selectScenarios } from './select-scenarios.ts'

const dataset = { users: 10_000, products: 1000, orders: 50_000 }

t.test(
  'every tuning switch of the settings table has a scenario and a variant with only this switch untuned',
  async (t) => {
    for (const { name, naive, scenario: home, services } of tuningSwitches()) {
      const [scenario] = selectScenarios(scenarios, { names: [], off: [name], full: false })
      t.equal(scenario?.name, home, name)
      t.ok(scenario && services.includes(scenario.service), `${name}: its service reads it`)
      t.match(scenario?.variants, [{ environment: { [name]: naive } }], name)
      t.ok((scenario?.variants[0]?.proofs.length ?? 0) > 0, `${name}: proven`)
      const shown = scenarios.some(({ tuned, variants }) =>
        variants.some(({ environment }) => {
          const changed = Object.keys(environment).filter(
            (key) => environment[key] !== tuned.environment[key],
          )
          return changed.length === 1 && changed[0] === name
        }),
      )
      t.ok(shown, `${name}: part of --full`)
    }
  },
)

t.test('names are unique, requests are reproducible, every variant has a proof', async (t) => {
  t.equal(new Set(scenarios.map(({ name }) => name)).size, scenarios.length)
  for (const { name, requests, tuned, variants } of scenarios) {
    t.same(requests(dataset), requests(dataset), name)
    t.ok(requests(dataset).length > 0 && requests(dataset).every(({ path }) => path.startsWith('/')), name)
    const all = [tuned, ...variants]
    t.equal(new Set(all.map((variant) => variant.name)).size, all.length, name)
    for (const variant of all) t.ok(variant.proofs.length > 0, `${name}: ${variant.name}`)
  }
})

t.test('the default run is a subset of the full run', async (t) => {
  const [some, full] = [false, true].map((full) => selectScenarios(scenarios, { names: [], off: [], full }))
  const count = (of: typeof some) => of?.reduce((sum, { variants }) => sum + variants.length + 1, 0) ?? 0
  t.ok(count(some) <= 14, `${count(some)} variants in the default run`)
  t.ok(count(full) > count(some))
})

t.test('an unknown scenario or switch is a usage error that lists the known ones', async (t) => {
  t.throws(() => selectScenarios(scenarios, { names: ['nope'], off: [], full: false }), {
    exitCode: 64,
    message: /there are naive, health/,
  })
  t.throws(() => selectScenarios(scenarios, { names: [], off: ['NOPE'], full: false }), {
    message: /CACHE_L1/,
  })
})

t.test('ids are scattered and unique', async (t) => {
  for (const limit of [1, 2, 10, 1000, 9973]) {
    const ids = scatteredIds(limit)
    t.equal(new Set(ids).size, limit)
    t.equal(Math.min(...ids), 1)
    t.equal(Math.max(...ids), limit)
  }
  t.equal(scatteredIds(10, 50).length, 10)
})
