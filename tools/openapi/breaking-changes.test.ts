import t from 'tap'
import { breakingChanges, type OpenApi, permitsBreakingChanges } from './breaking-changes.ts'

const ROW = {
  type: 'object',
  required: ['id', 'status'],
  properties: {
    id: { type: 'integer', minimum: 1 },
    status: { type: 'string', enum: ['paid', 'shipped'] },
    note: { anyOf: [{ type: 'string' }, { type: 'null' }] },
    createdAt: { type: 'string', format: 'date-time' },
  },
}
const BODY = {
  type: 'object',
  required: ['userId'],
  additionalProperties: false,
  properties: {
    userId: { type: 'integer', minimum: 1, maximum: 100 },
    kind: { type: 'string', enum: ['a', 'b'] },
    name: { type: 'string', maxLength: 200 },
    tags: { type: 'array', items: { type: 'string' } },
  },
}

function documentOf({ row = ROW, body = BODY }: { row?: object; body?: object } = {}) {
  return {
    info: { version: '0.1.0' },
    paths: {
      '/orders': {
        get: {
          parameters: [
            { name: 'limit', in: 'query', required: false, schema: { type: 'integer', maximum: 500 } },
            { name: 'status', in: 'query', schema: { type: 'string', enum: ['paid', 'shipped'] } },
          ],
          responses: {
            200: { content: { 'application/json': { schema: { type: 'array', items: row } } } },
            404: { content: { 'application/problem+json': {} } },
          },
        },
        post: {
          parameters: [],
          requestBody: { required: true, content: { 'application/json': { schema: body } } },
          responses: { 201: { content: { 'application/json': { schema: row } } } },
          security: [{ bearer: [] }],
        },
      },
      '/orders/{id}': {
        get: {
          parameters: [{ name: 'id', in: 'path', required: true, schema: { type: 'integer' } }],
          responses: { 200: { content: { 'application/json': { schema: row } } } },
        },
      },
    },
  }
}

type Document = ReturnType<typeof documentOf>

/** The changes after a document was edited. */
function changesBy(edit: (document: Document) => void): string[] {
  const after = structuredClone(documentOf())
  edit(after)
  return breakingChanges(documentOf() as unknown as OpenApi, after as unknown as OpenApi)
}

const changesOfBody = (properties: object, more: object = {}) =>
  breakingChanges(
    documentOf() as unknown as OpenApi,
    documentOf({
      body: { ...BODY, ...more, properties: { ...BODY.properties, ...properties } },
    }) as unknown as OpenApi,
  )

/** Of `GET /orders/{id}` alone: the same row is in three replies. */
const changesOfRow = (properties: object, more: object = {}) =>
  breakingChanges(
    documentOf() as unknown as OpenApi,
    documentOf({
      row: { ...ROW, ...more, properties: { ...ROW.properties, ...properties } },
    }) as unknown as OpenApi,
  ).filter((change) => change.startsWith('GET /orders/{}'))

t.test('equal documents, and changes of descriptions and examples, break nothing', async (t) => {
  t.same(
    changesBy(() => {}),
    [],
  )
  t.same(
    changesOfBody({
      name: { type: 'string', maxLength: 200, description: 'x', examples: ['y'], default: 'z' },
    }),
    [],
  )
})

t.test('a removed operation', async (t) => {
  t.same(
    changesBy(({ paths }) => Reflect.deleteProperty(paths['/orders'], 'post')),
    ['POST /orders was removed'],
  )
  t.same(
    changesBy(({ paths }) => Reflect.deleteProperty(paths, '/orders/{id}')),
    ['GET /orders/{} was removed'],
  )
})

t.test('a parameter of a path may get another name', async (t) => {
  const renamed = changesBy(({ paths }) => {
    const { '/orders/{id}': old } = paths
    Reflect.deleteProperty(paths, '/orders/{id}')
    Object.assign(paths, { '/orders/{orderId}': structuredClone(old) })
    Object.assign(
      (paths as unknown as Record<string, typeof old>)['/orders/{orderId}']?.get.parameters[0] ?? {},
      { name: 'orderId' },
    )
  })
  t.same(renamed, [])
})

t.test('parameters', async (t) => {
  const parametersOf = ({ paths }: Document) => paths['/orders'].get.parameters as object[]
  t.same(
    changesBy((document) => parametersOf(document).splice(0, 1)),
    ['GET /orders: the query parameter limit was removed'],
  )
  const required = { name: 'from', in: 'query', required: true, schema: { type: 'string' } }
  t.same(
    changesBy((document) => parametersOf(document).push(required)),
    ['GET /orders: the query parameter from is new and required'],
  )
  t.same(
    changesBy((document) => parametersOf(document).push({ ...required, required: false })),
    [],
  )
  t.same(
    changesBy((document) => Object.assign(parametersOf(document)[0] ?? {}, { required: true })),
    ['GET /orders: the query parameter limit is now required'],
  )
  t.same(
    changesBy((document) =>
      Object.assign(parametersOf(document)[0] ?? {}, { schema: { type: 'integer', maximum: 100 } }),
    ),
    ['GET /orders: the query parameter limit: maximum was 500 and is 100'],
  )
  t.same(
    changesBy((document) =>
      Object.assign(parametersOf(document)[1] ?? {}, { schema: { type: 'string', enum: ['paid'] } }),
    ),
    ['GET /orders: the query parameter status no longer accepts "shipped"'],
  )
})

t.test('a request may only become wider', async (t) => {
  const narrowed: [object, string][] = [
    [{ kind: { type: 'string', enum: ['a'] } }, 'kind no longer accepts "b"'],
    [{ userId: { type: 'integer', minimum: 2, maximum: 100 } }, 'userId: minimum was 1 and is 2'],
    [{ name: { type: 'string', maxLength: 100 } }, 'name: maxLength was 200 and is 100'],
    [{ name: { type: 'integer' } }, 'name was string and is integer'],
    [{ name: { type: 'string', maxLength: 200, pattern: '^a' } }, 'name: pattern was undefined and is "^a"'],
    [
      { name: { type: 'string', maxLength: 200, format: 'email' } },
      'name: format was undefined and is "email"',
    ],
    [{ name: { type: 'string', enum: ['x'], maxLength: 200 } }, 'name now has a list of values'],
    [{ tags: { type: 'array', items: { type: 'integer' } } }, 'tags[] was string and is integer'],
    [
      { tags: { type: 'array', items: { type: 'string' }, uniqueItems: true } },
      'tags: uniqueItems was undefined and is true',
    ],
  ]
  for (const [properties, change] of narrowed)
    t.same(changesOfBody(properties), [`POST /orders: the body: ${change}`], change)
  const required = changesOfBody({}, { required: ['userId', 'kind'] })
  t.same(required, ['POST /orders: the body: kind is now required'])
  t.same(changesOfBody({ city: { type: 'string' } }, { required: ['userId', 'city'] }), [
    'POST /orders: the body: city is now required',
  ])
  const { name: _, ...others } = BODY.properties
  const removed = documentOf({ body: { ...BODY, properties: others } })
  t.same(breakingChanges(documentOf() as unknown as OpenApi, removed as unknown as OpenApi), [
    'POST /orders: the body: name was removed',
  ])

  const widened = [
    { kind: { type: 'string', enum: ['a', 'b', 'c'] } },
    { userId: { type: 'number', minimum: 0 } },
    { name: { anyOf: [{ type: 'string', maxLength: 200 }, { type: 'null' }] } },
    { name: { type: ['string', 'null'], maxLength: 200 } },
    { city: { type: 'string' } },
  ]
  for (const properties of widened) t.same(changesOfBody(properties), [], JSON.stringify(properties))
  t.same(changesOfBody({}, { required: [] }), [])
})

t.test('a reply may only promise more', async (t) => {
  const prefix = 'GET /orders/{}: the reply 200: '
  const broken: [object, object, string][] = [
    [{ status: { type: 'string', enum: ['paid', 'shipped', 'lost'] } }, {}, 'status may now be "lost"'],
    [{ status: { type: 'string' } }, {}, 'status no longer has a list of values'],
    [{ id: { type: 'string' } }, {}, 'id was integer and is string'],
    [{ id: { type: ['integer', 'null'] } }, {}, 'id may now be {"type":"null"}'],
    [
      { note: { anyOf: [{ type: 'string' }, { type: 'null' }, { type: 'integer' }] } },
      {},
      'note may now be {"type":"integer"}',
    ],
    [{ createdAt: { type: 'string' } }, {}, 'createdAt: format was "date-time" and is undefined'],
    [{}, { required: ['id'] }, 'status is no longer always there'],
  ]
  for (const [properties, more, change] of broken)
    t.same(changesOfRow(properties, more), [prefix + change], change)
  const { status: _, ...others } = ROW.properties
  const removed = documentOf({ row: { ...ROW, required: ['id'], properties: others } })
  t.same(breakingChanges(documentOf() as unknown as OpenApi, removed as unknown as OpenApi), [
    'GET /orders: the reply 200: [].status was removed',
    'POST /orders: the reply 201: status was removed',
    'GET /orders/{}: the reply 200: status was removed',
  ])

  const kept: [object, object?][] = [
    [{ total: { type: 'integer' } }, { required: ['id', 'status', 'total'] }],
    [{ status: { type: 'string', enum: ['paid'] } }],
    [{ note: { type: 'string' } }],
    [{ id: { type: 'integer' } }],
  ]
  for (const [properties, more] of kept)
    t.same(changesOfRow(properties, more), [], JSON.stringify(properties))
})

t.test('statuses, media types, bodies and tokens', async (t) => {
  t.same(
    changesBy(({ paths }) => Object.assign(paths['/orders'].post, { responses: { 202: {} } })),
    ['POST /orders: the reply 201 was removed'],
  )
  t.same(
    changesBy(({ paths }) => Reflect.deleteProperty(paths['/orders'].get.responses, '404')),
    [],
  )
  t.same(
    changesBy(({ paths }) =>
      Object.assign(paths['/orders/{id}'].get.responses[200], { content: { 'text/csv': {} } }),
    ),
    ['GET /orders/{}: the reply 200 is no longer application/json'],
  )
  t.same(
    changesBy(({ paths }) => Reflect.deleteProperty(paths['/orders'].post, 'requestBody')),
    ['POST /orders: the body was removed'],
  )
  const body = { required: true, content: {} }
  t.same(
    changesBy(({ paths }) => Object.assign(paths['/orders'].get, { requestBody: body })),
    ['GET /orders: the body is new and required'],
  )
  t.same(
    changesBy(({ paths }) => Object.assign(paths['/orders'].get, { security: [{ bearer: [] }] })),
    ['GET /orders: needs a token'],
  )
  t.same(
    changesBy(({ paths }) => Object.assign(paths['/orders'].post, { security: [] })),
    [],
  )
})

t.test('a new major version permits breaking changes; before 1.0 a new minor version', async (t) => {
  for (const [before, after] of [
    ['1.2.3', '2.0.0'],
    ['0.1.0', '0.2.0'],
    ['0.9.0', '1.0.0'],
    ['9.0.0', '10.0.0'],
  ] as const)
    t.ok(permitsBreakingChanges(before, after), `${before} → ${after}`)
  for (const [before, after] of [
    ['1.2.3', '1.3.0'],
    ['0.1.0', '0.1.1'],
    ['2.0.0', '1.9.0'],
    ['0.2.0', '0.1.0'],
    ['1.0.0', '0.9.0'],
  ] as const)
    t.notOk(permitsBreakingChanges(before, after), `${before} → ${after}`)
})
