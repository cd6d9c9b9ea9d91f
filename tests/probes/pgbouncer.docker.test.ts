import { until } from '@reference/async'
import { linkTo, startService, testDatabase } from '@reference/local-stack'
import t from 'tap'
import { getJson } from '../testing/get-json.ts'
import { findPgBouncer, startPgBouncer } from '../testing/pgbouncer.ts'

const pgbouncer = await findPgBouncer()

t.test(
  'the rows of PgBouncer and of the Postgres behind it fail apart',
  { skip: 'missing' in pgbouncer ? pgbouncer.missing : false },
  async (t) => {
    if ('missing' in pgbouncer) return
    const { url: direct } = await testDatabase(t)
    const link = await linkTo(t, direct)
    await link.mend()
    const { url } = await startPgBouncer(t, pgbouncer.image, link.url)
    const service = startService(t, 'reference-api', {
      DATABASE_URL: url,
      DATABASE_DIRECT_URL: direct,
      JOB_HANDLERS: 'off',
    })
    const origin = await service.listening()
    const row = async () => {
      const { checks } = (await getJson(origin, '/ready')).body
      const both: { name: string; status: string }[] = checks.filter(({ name }: { name: string }) =>
        ['postgres', 'pgbouncer'].includes(name),
      )
      return both.map(({ name, status }) => `${name} ${status}`).join(', ')
    }
    await until('both answer', async () => (await row()) === 'postgres ok, pgbouncer ok')

    await link.cut()
    await until('only Postgres is unavailable', async () => (await row()) === 'postgres down, pgbouncer ok')
    await link.mend()
    await until('both answer again', async () => (await row()) === 'postgres ok, pgbouncer ok')
  },
)
