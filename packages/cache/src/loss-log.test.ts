import { until } from '@reference/local-stack'
import t from 'tap'
import { createLossLog } from './loss-log.ts'

t.test(
  'a master that was logged as unavailable is logged again when another one takes over its keys',
  async (t) => {
    const lines: object[] = []
    const keep = (level: string) => (fields: object, message: string) => {
      lines.push({ level, ...fields, message })
    }
    const logger = { info: keep('info'), warn: keep('warn'), error: keep('error') }
    let nodes = [{ id: 'a', usable: false }]
    t.teardown(createLossLog(logger, () => nodes))
    await until('the loss is logged', () => lines.length === 1)
    nodes = [{ id: 'b', usable: true }]
    await until('the change of owner is logged', () => lines.length === 2)
    t.match(lines, [
      { level: 'warn', node: 'a', reason: 'no answer in time' },
      { level: 'info', node: 'a', message: /others do/ },
    ])
  },
)
