import { until } from '@reference/local-stack'
import t from 'tap'
import { startApi } from '../testing/test-api.ts'

const uuid = /^[0-9a-z-]+$/i

t.test('users', async (t) => {
  const api = await startApi(t)
  const { call, sql } = api

  t.test('GET /users/:id is cached in both tiers, and x-cache names the source', async (t) => {
    const first = await call('GET', '/users/7')
    t.equal(first.status, 200)
    t.same(Object.keys(first.body), ['id', 'email', 'name', 'createdAt'])
    t.equal(first.body.id, 7)
    t.match(first.body.createdAt, /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/)
    // On a busy machine Redis may exceed its time limit; x-cache is then `off`, and the next user is a miss.
    let id = 100
    await until('a miss', async () => (await call('GET', `/users/${++id}`)).headers['x-cache'] === 'miss')
    const again = await until('a tier-1 hit', async () => {
      const answer = await call('GET', '/users/7')
      return answer.headers['x-cache'] === 'l1' && answer
    })
    t.same(again.body, first.body)
  })

  t.test('another process reads from tier 2 what this one has cached', async (t) => {
    const user = (await call('GET', '/users/8')).body
    const other = await startApi(t, {}, { on: api })
    const answer = await until('a tier-2 hit', async () => {
      const found = await other.call('GET', '/users/8')
      return found.headers['x-cache'] === 'l2' && found
    })
    t.same(answer.body, user)
  })

  t.test('if-none-match is answered with 304 by both tiers and the database, with one etag', async (t) => {
    const tags = new Set<unknown>()
    for (const id of [9, 9, 9]) {
      const answer = await call('GET', `/users/${id}`, { headers: { 'if-none-match': '""' } })
      t.equal(answer.status, 200)
      tags.add(answer.headers.etag)
    }
    const off = await startApi(t, { CACHE_L1: 'off', CACHE_L2: 'off' }, { on: api })
    tags.add((await off.call('GET', '/users/9', { headers: { 'if-none-match': '""' } })).headers.etag)
    t.equal(tags.size, 1)
    const [etag] = [...tags].map(String)
    t.match(await call('GET', '/users/9', { headers: { 'if-none-match': etag ?? '' } }), {
      status: 304,
      body: undefined,
    })
    const posted = await call('POST', '/users', { body: { email: 'etag@example.com', name: 'Étag 😀' } })
    const path = String(posted.headers.location)
    const read = await call('GET', path, { headers: { 'if-none-match': String(posted.headers.etag) } })
    t.equal(read.status, 304, 'the etag of the reply to POST')
    const patched = await call('PATCH', path, { body: { name: 'New' } })
    t.not(patched.headers.etag, posted.headers.etag)
    const again = await call('GET', path, { headers: { 'if-none-match': String(patched.headers.etag) } })
    t.equal(again.status, 304, 'the etag of the reply to PATCH')
    t.equal((await call('DELETE', path)).status, 204)
  })

  t.test('of concurrent changes with the same if-match one is made, the others are 412', async (t) => {
    const etag = String((await call('PATCH', '/users/11', { body: { name: 'Before' } })).headers.etag)
    const answers = await Promise.all(
      Array.from({ length: 8 }, (_, n) =>
        call('PATCH', '/users/11', { body: { name: `Change ${n}` }, headers: { 'if-match': etag } }),
      ),
    )
    t.same(answers.map(({ status }) => status).sort(), [200, 412, 412, 412, 412, 412, 412, 412])
    const [made] = answers.filter(({ status }) => status === 200)
    t.equal((await call('GET', '/users/11')).body.name, made?.body.name)
    t.match(answers.find(({ status }) => status === 412)?.body, {
      code: 'ROW_CHANGED',
      errors: [{ field: 'if-match' }],
    })
    const headers = { 'if-match': String(made?.headers.etag) }
    t.equal((await call('PATCH', '/users/11', { body: { name: 'After' }, headers })).status, 200)
    t.equal((await call('PATCH', '/users/2147483647', { body: { name: 'x' }, headers })).status, 404)
  })

  t.test('an unknown user is 404, also from the cache', async (t) => {
    for (let i = 0; i < 3; i++) {
      const answer = await call('GET', '/users/2147483647')
      t.equal(answer.status, 404)
      t.match(answer.headers['content-type'], 'application/problem+json')
      t.match(answer.body, { status: 404, code: 'NOT_FOUND', requestId: uuid })
    }
  })

  t.test('ids are decimal digits from 1 to 2147483647', async (t) => {
    const wrong = [
      '0',
      '01',
      '1e3',
      '+1',
      '-1',
      '1.0',
      '0x1',
      '%201',
      '1%20',
      '2147483648',
      '9'.repeat(30),
      'a',
      '%00',
    ]
    for (const id of wrong) {
      const answer = await call('GET', `/users/${id}`)
      t.equal(answer.status, 400, id)
      t.match(answer.body, { errors: [{ field: 'id' }] }, id)
    }
  })

  t.test('pages go through all users once, in order', async (t) => {
    const ids: number[] = []
    let path = '/users?limit=400'
    for (;;) {
      const { status, body } = await call('GET', path)
      t.equal(status, 200)
      ids.push(...body.items.map(({ id }: { id: number }) => id))
      if (body.next === null) break
      t.equal(encodeURIComponent(body.next), body.next)
      path = `/users?limit=400&after=${body.next}`
    }
    const [row] = await sql`select array_agg(id order by id) as ids from users`
    t.same(ids, row?.ids)
  })

  t.test('a page has 50 rows by default, and the last page has no next one', async (t) => {
    t.equal((await call('GET', '/users')).body.items.length, 50)
    const [row] = await sql`select count(*)::int as number from users`
    const whole = await call('GET', '/users?limit=500')
    const rest = await call('GET', `/users?limit=${row?.number - 500}&after=${whole.body.next}`)
    t.equal(rest.body.items.length, row?.number - 500)
    t.equal(rest.body.next, null)
  })

  t.test('a wrong limit or cursor is a 400 that names it', async (t) => {
    for (const limit of ['0', '501', '-1', '1e2', '', 'x', '01', '1.5']) {
      const answer = await call('GET', `/users?limit=${limit}`)
      t.equal(answer.status, 400, limit)
      t.match(answer.body, { errors: [{ field: 'limit' }] }, limit)
    }
    for (const after of ['x', 'MQ==', '%00', 'MC4x', 'AAAA', 'MDE', 'OTk5OTk5OTk5OQ', '']) {
      const answer = await call('GET', `/users?after=${after}`)
      t.equal(answer.status, 400, after)
      t.match(answer.body, { errors: [{ field: 'after' }] }, after)
    }
    t.equal((await call('GET', '/users?limit=1&limit=2')).status, 400)
    t.equal((await call('GET', '/users?offset=2')).status, 400)
  })

  t.test('POST creates a user and returns its location', async (t) => {
    const { status, headers, body } = await call('POST', '/users', {
      body: { email: 'ada@example.com', name: 'Ada' },
    })
    t.equal(status, 201)
    t.equal(headers.location, `/users/${body.id}`)
    t.match(body, { email: 'ada@example.com', name: 'Ada' })
    t.same((await call('GET', headers.location ?? '')).body, body)
  })

  t.test('a new user is visible at once, although a 404 for its id was cached', async (t) => {
    const [row] = await sql`select max(id) as id from users`
    const id = Number((await call('POST', '/users', { body: { email: 'a@b', name: 'a' } })).body.id)
    t.ok(id > row?.id)
    t.equal((await call('GET', `/users/${id + 1}`)).status, 404)
    t.equal((await call('POST', '/users', { body: { email: 'a@c', name: 'a' } })).body.id, id + 1)
    t.equal((await call('GET', `/users/${id + 1}`)).status, 200)
  })

  t.test('a taken email is 409 and stores nothing', async (t) => {
    const { email } = (await call('GET', '/users/3')).body
    const [before] = await sql`select count(*) from users`
    const answer = await call('POST', '/users', { body: { email, name: 'x' } })
    t.equal(answer.status, 409)
    t.match(answer.body, { code: 'EMAIL_TAKEN', errors: [{ field: 'email' }] })
    t.equal((await call('PATCH', '/users/4', { body: { email } })).status, 409)
    t.same(await sql`select count(*) from users`, [before])
  })

  t.test('a wrong body is 400, names each field, and stores nothing', async (t) => {
    const email = 'x@example.com'
    const wrong: [unknown, string[]][] = [
      [{}, ['email', 'name']],
      [{ email }, ['name']],
      [{ email, name: '' }, ['name']],
      [{ email, name: 'x'.repeat(201) }, ['name']],
      [{ email, name: 1 }, ['name']],
      [{ email, name: null }, ['name']],
      [{ email: 1, name: 2 }, ['email', 'name']],
      [{ email: 'none', name: 'x' }, ['email']],
      [{ email: 'two@@x', name: 'x' }, ['email']],
      [{ email: `${'x'.repeat(320)}@x`, name: 'x' }, ['email']],
      [{ email, name: 'x', role: 'admin' }, ['role']],
      [`{"email":"${email}","name":"x","__proto__":{"a":1}}`, []],
      [{ email, name: 'a\u0000b' }, ['name']],
      [`{"email":"${email}","name":"\\ud800"}`, ['name']],
      ['{"email":', []],
      ['[]', []],
      ['null', []],
      ['"x"', []],
      ['', []],
    ]
    const [before] = await sql`select count(*) from users`
    for (const [body, fields] of wrong) {
      const answer = await call('POST', '/users', { body })
      const said = JSON.stringify(body).slice(0, 60)
      t.equal(answer.status, 400, said)
      t.match(answer.headers['content-type'], 'application/problem+json', said)
      const named = (answer.body.errors ?? []).map(({ field }: { field: string }) => field)
      for (const field of fields) t.ok(named.includes(field), `${said} names ${field}`)
      t.notMatch(answer.raw.toString(), /node_modules|\.ts:/, said)
    }
    t.same(await sql`select count(*) from users`, [before])
  })

  t.test('names are counted in characters, not in UTF-16 units', async (t) => {
    const answer = await call('POST', '/users', {
      body: { email: 'emoji@example.com', name: '😀'.repeat(200) },
    })
    t.equal(answer.status, 201)
  })

  t.test('a body over the limit is 413, another type 415', async (t) => {
    const body = JSON.stringify({ email: 'x@y', name: 'x'.repeat(1_100_000) })
    t.match(await call('POST', '/users', { body }), { status: 413, body: { status: 413 } })
    const xml = await call('POST', '/users', { body: '<a/>', headers: { 'content-type': 'text/xml' } })
    t.match(xml, { status: 415, body: { status: 415 } })
  })

  t.test('PATCH changes the fields that it names, visibly at once', async (t) => {
    const before = (await call('GET', '/users/10')).body
    const answer = await call('PATCH', '/users/10', { body: { name: 'Grace' } })
    t.equal(answer.status, 200)
    t.same(answer.body, { ...before, name: 'Grace' })
    t.same((await call('GET', '/users/10')).body, answer.body)
  })

  t.test('PATCH of nothing, of an unknown field or of null is 400; of an unknown user 404', async (t) => {
    for (const body of [{}, { id: 3 }, { name: null }, { email: '' }]) {
      t.equal((await call('PATCH', '/users/10', { body })).status, 400, JSON.stringify(body))
    }
    t.equal((await call('PATCH', '/users/999999', { body: { name: 'x' } })).status, 404)
  })

  t.test('DELETE removes a user, and 409 protects one with orders', async (t) => {
    const { id } = (await call('POST', '/users', { body: { email: 'gone@example.com', name: 'x' } })).body
    t.equal((await call('GET', `/users/${id}`)).status, 200)
    const deleted = await call('DELETE', `/users/${id}`)
    t.equal(deleted.status, 204)
    t.equal(deleted.raw.length, 0)
    t.equal((await call('GET', `/users/${id}`)).status, 404)
    t.equal((await call('DELETE', `/users/${id}`)).status, 404)
    const [busy] = await sql`select user_id as id from orders limit 1`
    t.match(await call('DELETE', `/users/${busy?.id}`), { status: 409, body: { code: 'USER_HAS_ORDERS' } })
    t.equal((await call('GET', `/users/${busy?.id}`)).status, 200)
  })

  t.test('an idempotency key makes a repeated POST harmless', async (t) => {
    const headers = { 'idempotency-key': 'user-1' }
    const body = { email: 'once@example.com', name: 'Once' }
    const first = await call('POST', '/users', { body, headers })
    const reordered = { name: body.name, email: body.email }
    const again = await call('POST', '/users', { body: reordered, headers })
    t.equal(first.status, 201)
    t.equal(again.status, 201)
    t.same(again.body, first.body)
    t.equal(again.headers.location, first.headers.location)
    const other = await call('POST', '/users', { body: { ...body, name: 'Twice' }, headers })
    t.match(other, { status: 422, body: { code: 'IDEMPOTENCY_KEY_REUSED' } })
    t.equal((await sql`select from users where email = ${body.email}`).length, 1)
  })

  t.test('ten equal POSTs at once with one key make one user and one answer', async (t) => {
    const headers = { 'idempotency-key': 'user-2' }
    const body = { email: 'together@example.com', name: 'x' }
    const answers = await Promise.all(
      Array.from({ length: 10 }, () => call('POST', '/users', { body, headers })),
    )
    t.same(new Set(answers.map(({ status }) => status)), new Set([201]))
    t.equal(new Set(answers.map((answer) => answer.body.id)).size, 1)
  })

  t.test('a POST that fails may be repeated with its key', async (t) => {
    const headers = { 'idempotency-key': 'user-3' }
    const body = { email: 'later@example.com', name: 'x' }
    const holder = (await call('POST', '/users', { body })).body
    t.equal((await call('POST', '/users', { body, headers })).status, 409)
    await call('DELETE', `/users/${holder.id}`)
    t.equal((await call('POST', '/users', { body, headers })).status, 201)
  })

  t.test('an idempotency key of blanks or beyond 255 characters is 400', async (t) => {
    for (const key of ['a b', 'x'.repeat(256)]) {
      const body = { email: 'key@example.com', name: 'x' }
      const answer = await call('POST', '/users', { body, headers: { 'idempotency-key': key } })
      t.match(answer, { status: 400, body: { errors: [{ field: 'idempotency-key' }] } })
    }
  })
})
