import t from 'tap'
import { open } from '../testing/open.ts'
import { putSetting, settingByKey } from './queries.ts'

t.test('putSetting returns whether the key is new', async (t) => {
  const { primary } = (await open(t)).database
  t.match(await primary.first(putSetting, { key: 'a', valueJson: '{"b":[1]}' }), { created: true })
  t.match(await primary.first(putSetting, { key: 'a', valueJson: '"text"' }), { created: false })
  t.match(await primary.first(settingByKey, { key: 'a' }), { key: 'a', value: 'text' })
})
