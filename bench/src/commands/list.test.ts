import t from 'tap'
import { scenarios } from '../../scenarios/index.ts'
import { sidecarsOf } from '../run/sidecars.ts'
import { renderList } from './list.ts'

t.test('the list shows why scenarios with containers do not run', async (t) => {
  const list = renderList(scenarios, 'no Docker engine')
  for (const scenario of scenarios) {
    const line = list.split('\n').find((text) => text.includes(scenario.title)) ?? ''
    t.equal(/not run: no Docker engine/.test(line), sidecarsOf(scenario).length > 0, scenario.name)
  }
  t.notMatch(renderList(scenarios, undefined), /not run/)
})
