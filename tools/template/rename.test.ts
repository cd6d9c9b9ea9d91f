import t from 'tap'
import { type Names, renameText } from './rename.ts'

const names: Names = {
  scope: '@acme',
  project: 'acme',
  database: 'shop',
  services: new Map([
    ['reference-api', 'shop-api'],
    ['parallel-api', 'reports'],
  ]),
}

t.test('names are replaced in each of their forms', (t) => {
  for (const [text, renamed] of [
    ["import { action } from '@reference/cli'", "import { action } from '@acme/cli'"],
    ["join('node_modules/@reference')", "join('node_modules/@acme')"],
    ['deploy: { resources: *size-reference-api }', 'deploy: { resources: *size-shop-api }'],
    ['http://reference-api:8000', 'http://shop-api:8000'],
    ['const referenceApi = await start()', 'const shopApi = await start()'],
    ['t.notOk(inReferenceApi)', 't.notOk(inShopApi)'],
    ["title: 'Reference API'", "title: 'Shop API'"],
    ['reference-worker: handle', 'shop-worker: handle'],
    ['PARALLEL_API_PORT=8001', 'REPORTS_PORT=8001'],
    ['@parallel-api-again', '@reports-again'],
    ['name: reference-production', 'name: acme-production'],
    ['{COMPOSE_PROJECT_NAME:-reference-production}', '{COMPOSE_PROJECT_NAME:-acme-production}'],
    ['image: reference/pgbouncer:1.24.1', 'image: acme/pgbouncer:1.24.1'],
    ["channel('reference:http.request')", "channel('acme:http.request')"],
    ['name: reference', 'name: acme'],
    ['namespace: reference', 'namespace: acme'],
    ["const TAG = 'reference'", "const TAG = 'acme'"],
    ['"name": "tuned-node-reference"', '"name": "acme"'],
    ['postgres://reference:secret@host/reference?x=1', 'postgres://shop:secret@host/shop?x=1'],
    ['role reference_api reference_api_password', 'role shop_api shop_api_password'],
    ['CREATE DATABASE reference OWNER reference;', 'CREATE DATABASE shop OWNER shop;'],
    ['datname="reference"', 'datname="shop"'],
  ] as const)
    t.equal(renameText(text, names), renamed)
  t.end()
})

t.test('the word in another sense stays', (t) => {
  for (const text of [
    'chown -R --reference="$0" "$folder"',
    'FOREIGN KEY (user_id) REFERENCES users (id)',
    '.references(() => users.id)',
    "has_table_privilege('users', 'references')",
    'touch --no-dereference',
    "new AppError('REFERENCE_ABSENT', 422)",
    'throw referenceMissing(fields)',
    'backend: &reference { service: {} }',
    'backend: *reference',
    'https://redis.io/docs/latest/develop/reference/client-side-caching/',
    'the configuration reference of 3.7',
    "of Traefik's reference; they were not tried",
    'error instanceof ReferenceError',
    'prefers-reduced-motion: no-preference',
    'Copyright (c) 2026 The tuned-node-reference authors',
    'fetched in parallel',
    'PARALLEL_FETCH=off',
  ])
    t.equal(renameText(text, names), text)
  t.end()
})
