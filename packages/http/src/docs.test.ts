import { AppError } from '@reference/errors'
import t from 'tap'
import { Type } from 'typebox'
import { type App, described, Id, IdParams, PageQuery, ProblemSchema, page, problem } from './index.ts'
import { testServer } from './testing/test-server.ts'

const User = Type.Object({ id: Id, name: Type.String({ examples: ['Ada'] }) })

function routes(app: App): void {
  const schema = { params: IdParams, response: { 200: User } }
  app.get('/users/:id', { schema }, async ({ params }) => ({ id: params.id, name: 'Ada', secret: 'hidden' }))
  const list = { querystring: PageQuery, response: { 200: page(User) } }
  app.get('/users', { schema: list }, async () => ({ items: [], next: null }))
}

t.test('/openapi.json is OpenAPI 3.1 with integers, limits, examples and problems', async (t) => {
  for (const responseSchemas of [true, false]) {
    const { get } = await testServer(t, { responseSchemas }, routes)
    const response = await get('/openapi.json')
    t.match(response.headers.get('content-type'), /^application\/json/)
    t.match(await response.json(), {
      openapi: '3.1.0',
      info: { title: 'test', version: '1.2.3' },
      paths: {
        '/users/{id}': {
          get: {
            parameters: [
              { in: 'path', name: 'id', schema: { type: 'integer', minimum: 1, maximum: 2147483647 } },
            ],
            responses: {
              200: {
                content: { 'application/json': { schema: { properties: { name: { examples: ['Ada'] } } } } },
              },
              default: { content: { 'application/problem+json': { schema: { required: /code/ } } } },
            },
          },
        },
        '/users': {
          get: {
            parameters: [{ in: 'query', name: 'limit', schema: { type: 'integer' } }, { name: 'after' }],
          },
        },
        '/health': { get: {} },
        '/ready': { get: { responses: { 503: {} } } },
      },
    })
  }
})

t.test('a documented problem has its media type and an example of its status', async (t) => {
  const { get } = await testServer(t, {}, (app) => {
    const response = { 200: described('The user', User), 404: problem('No such user'), 503: ProblemSchema }
    app.get('/users/:id', { schema: { params: IdParams, response } }, async () => {
      throw new AppError('USER_NOT_FOUND', 404, 'There is no such user')
    })
  })
  const example = (status: number, title: string, description = title) => ({
    description,
    content: {
      'application/problem+json': { schema: { required: /code/, examples: [{ status, title }] } },
      'application/json': undefined,
    },
  })
  t.match(((await (await get('/openapi.json')).json()) as { paths: object }).paths, {
    '/users/{id}': {
      get: {
        responses: {
          200: { description: 'The user' },
          404: example(404, 'Not Found', 'No such user'),
          503: example(503, 'Service Unavailable'),
        },
      },
    },
  })
  t.equal((await get('/users/1')).headers.get('content-type'), 'application/problem+json')
})

for (const path of ['/docs', '/docs/']) {
  t.test(`${path} is a page whose files the service itself serves`, async (t) => {
    const { url } = await testServer(t, {}, routes)
    const response = await fetch(`${url}${path}`)
    t.equal(response.status, 200)
    t.match(response.headers.get('content-type'), /^text\/html/)
    t.notMatch(response.headers.get('content-security-policy'), /upgrade-insecure-requests/)
    const html = await response.text()
    const files = [...html.matchAll(/(?:src|href|data-document)="(?!data:)([^"]+)"/g)].map(
      ([, file]) => new URL(file ?? '', `${url}${path}`),
    )
    t.equal(files.length, 5)
    t.ok(files.some(({ pathname }) => pathname === '/openapi.json'))
    for (const file of files) {
      t.equal(file.origin, url, 'no file of another origin')
      const answer = await fetch(file)
      t.equal(answer.status, 200, file.pathname)
      t.ok((await answer.arrayBuffer()).byteLength > 0)
    }
  })
}

t.test('/ leads to the page, also behind a proxy that serves the API below a path', async (t) => {
  const { url, get } = await testServer(t, {}, routes)
  const response = await get('/')
  t.equal(response.status, 302)
  const location = response.headers.get('location') ?? ''
  t.equal(new URL(location, `${url}/`).pathname, '/docs')
  t.equal(new URL(location, 'http://proxy/shop/').pathname, '/shop/docs')
})

t.test(
  'the document has the title and the introduction of the service, and its own calls before those of operators',
  async (t) => {
    const { get } = await testServer(t, { title: 'Shop', description: 'Sells *things*.' }, routes)
    const { info, paths } = (await (await get('/openapi.json')).json()) as { info: object; paths: object }
    t.same(info, { title: 'Shop', description: 'Sells *things*.', version: '1.2.3' })
    t.same(Object.keys(paths), ['/users/{id}', '/users', '/health', '/services', '/ready'])
    t.match(await (await get('/docs')).text(), '<title>Shop</title>')
  },
)

t.test('response schemas filter the reply, unless they are switched off', async (t) => {
  const shaped = await testServer(t, { responseSchemas: true }, routes)
  t.same(await (await shaped.get('/users/1')).json(), { id: 1, name: 'Ada' })
  const plain = await testServer(t, { responseSchemas: false }, routes)
  t.same(await (await plain.get('/users/1')).json(), { id: 1, name: 'Ada', secret: 'hidden' })
})

t.test('without docs neither the page nor its files nor the document exist', async (t) => {
  const { get } = await testServer(t, { docs: false }, routes)
  for (const path of [
    '/',
    '/docs',
    '/docs/',
    '/openapi.json',
    '/docs/static/docs.js',
    '/docs/static/swagger-ui.css',
  ]) {
    const response = await get(path)
    t.equal(response.status, 404, path)
    t.match(await response.json(), { code: 'NOT_FOUND' })
  }
  t.equal((await get('/users/1')).status, 200)
})

t.test('the files of the page are sent compressed, from the same bytes for all', async (t) => {
  const { get } = await testServer(t, {}, routes)
  const plain = await get('/docs/static/swagger-ui.css', { 'accept-encoding': 'identity' })
  t.equal(plain.headers.get('content-encoding'), null)
  t.equal(plain.headers.get('vary'), 'accept-encoding')
  const packed = await get('/docs/static/swagger-ui.css', { 'accept-encoding': 'gzip' })
  t.equal(packed.headers.get('content-encoding'), 'gzip')
  t.ok(Number(packed.headers.get('content-length')) < Number(plain.headers.get('content-length')) / 2)
  t.equal(await packed.text(), await plain.text())
})
