import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import { until } from '@reference/async'
import { REPOSITORY_ROOT } from '@reference/cli'
import t from 'tap'
import { missing, startContainer } from './container.ts'

const IMAGE = 'mysql:9.7'
const PASSWORD = 'r00t-secret'
const missingImage = await missing(IMAGE)

t.test('a MySQL with default settings beside the rule', { skip: missingImage ?? false }, async (t) => {
  const { port } = await startContainer(t, {
    image: IMAGE,
    port: 3306,
    env: { MYSQL_ROOT_PASSWORD: PASSWORD },
  })
  const command = ['tools/run.js', 'tools/infra/diff-main.ts', `mysql://root:${PASSWORD}@127.0.0.1:${port}`]
  const run = () =>
    promisify(execFile)(process.execPath, [...command, '--memory', '8g', '--json'], { cwd: REPOSITORY_ROOT })
  const { stdout } = await until('MySQL accepts the login', run, {
    timeoutMs: 120_000,
    intervalMs: 500,
    retryErrors: true,
  })
  t.notOk(stdout.includes(PASSWORD))
  const lines: { setting: string; server: string; state: string; reason: string }[] = JSON.parse(stdout).lines
  for (const { setting, reason } of lines) t.match(reason, /\S+ \S+ \S+/, setting)
  const line = (name: string) => lines.find(({ setting }) => setting === name)
  t.match(line('innodb_buffer_pool_size'), { server: '134217728', state: 'differs' })
  t.match(line('innodb_flush_log_at_trx_commit'), { server: '1', state: 'same' })
})
