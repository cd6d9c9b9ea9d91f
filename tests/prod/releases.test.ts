import t from 'tap'
import { holdsWithin, send } from '../testing/load.ts'
import { theProduction } from './production.ts'
import { buildRelease, everything } from './releases.ts'
import { underLoad } from './under-load.ts'

const { production, origin, docker, prod, ask } = theProduction()
const APIS = ['reference-api', 'parallel-api'] as const

/** Runs only in the image of the reference-api, which has the migrations and the calls that are changed here. */
const inReferenceApi = (command: string) => `USER root
RUN if [ -d dist/reference-api ]; then ${command}; fi
USER 1000:1000`

/** An expanding migration: old replicas run on the new schema. */
const WITH_A_MIGRATION = inReferenceApi(
  `echo 'ALTER TABLE users ADD COLUMN nickname text;' > dist/reference-api/migrations/9999_nickname.sql \
  && node -e "const fs = require('node:fs'), file = 'dist/reference-api/migrations/meta/_journal.json', journal = JSON.parse(fs.readFileSync(file)), last = journal.entries.at(-1); journal.entries.push({ ...last, idx: last.idx + 1, when: last.when + 1, tag: '9999_nickname' }); fs.writeFileSync(file, JSON.stringify(journal))"`,
)

/** Reads a table that no migration creates, as a release does that was tested on another schema. */
const WITH_ANOTHER_TABLE = inReferenceApi(
  `grep -q 'pgTable("products",' dist/reference-api/main.bundle.js \
  && sed -i 's/pgTable("products",/pgTable("products_of_tomorrow",/' dist/reference-api/main.bundle.js`,
)

t.test('a deploy costs no request, its migration included', async (t) => {
  const tag = await buildRelease('next', WITH_A_MIGRATION)
  const token = (await prod('token', 'newcomer', 'write')).output.trim()
  const order = {
    method: 'POST',
    path: '/orders',
    headers: { authorization: `Bearer ${token}` },
    body: { userId: 1, productId: 1, quantity: 1 },
  } as const
  t.equal((await send(origin, order)).status, 401, 'a token that no replica has read yet')
  const { failures } = await underLoad('a deploy', async () => {
    const { code, output } = await prod('deploy', '--tag', tag)
    t.equal(code, 0, output.slice(-2000))
  })
  t.same(failures, [])
  for (const api of APIS) {
    const images = (await production.containers(api)).map(({ image }) => image)
    t.same(images, Array(3).fill(`${api}:${tag}`))
  }
  t.equal((await send(origin, order)).status, 201, 'the deploy made the token known')
  const column = `SELECT data_type FROM information_schema.columns WHERE table_name = 'users' AND column_name = 'nickname'`
  t.equal(await ask(column), 'text', 'the migration ran')
})

t.test('a deploy of a release that does not start rolls back and costs no request', async (t) => {
  const tag = await buildRelease('ends', 'CMD ["node", "-e", "process.exit(1)"]')
  const before = await everything()
  const { failures } = await underLoad('a deploy of a release that does not start', async () => {
    const { code, output } = await prod('deploy', '--tag', tag)
    t.equal(code, 1)
    t.match(output, /is not in service; the release before it is: .* ended/)
  })
  t.same(failures, [])
  t.ok(await holdsWithin(async () => (await send(origin, { path: '/health' })).status === 200, 5000))
  t.same(await everything(), before, 'the same containers as before')
})

t.test('a deploy of a release that is ready and answers 5xx rolls back', async (t) => {
  const tag = await buildRelease('fails', WITH_ANOTHER_TABLE)
  const before = await everything()
  const products = { path: '/products?limit=20' }
  const { failures } = await underLoad(
    'a deploy of a release that answers 5xx on one path',
    async () => {
      const { code, output } = await prod('deploy', '--tag', tag)
      t.equal(code, 1)
      t.match(output, /is not in service; the release before it is: the new replicas failed \d+ of \d+/)
      t.notMatch(output, /^stops /m, 'no old replica had stopped')
    },
    // Requests on paths that work in the new release must not fail during the watch.
    (index) => (index % 2 === 0 ? products : { path: `/users/${1 + (index % 1000)}` }),
  )
  t.ok(failures.length > 0, 'the new replicas received requests')
  for (const { call, status } of failures)
    t.match({ call, status }, { call: 'GET /products?limit=20', status: 500 })
  t.same(await everything(), before, 'the same containers as before')
  const after = await underLoad(
    'after the rollback',
    async () => {},
    () => products,
  )
  t.same(after.failures, [])
})

t.test('a deploy of images that do not exist changes nothing', async (t) => {
  const { code, output } = await prod('deploy', '--tag', 'never-built')
  t.equal(code, 1)
  t.match(output, 'there is no image reference-api:never-built')
  t.equal(await docker(['ps', '--quiet', '--filter', 'ancestor=reference-api:never-built']), '')
})
