import { spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { once } from 'node:events'
import { globSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { REPOSITORY_ROOT } from '@reference/cli'
import { startService, type TestScope, testDatabase, testRedis, until } from '@reference/local-stack'
import postgres from 'postgres'
import t from 'tap'

// Away from the repository: nothing that a bundle asks for may be found in a node_modules.
const bundles = mkdtempSync(join(tmpdir(), 'bundles-'))
t.teardown(() => rmSync(bundles, { recursive: true, force: true }))
const { status, stderr } = runFile('tools/build/main.ts', ['--to', bundles], {})
t.equal(status, 0, stderr)

function runFile(file: string, args: string[], env: Record<string, string>) {
  const { PATH, HOME } = process.env
  return spawnSync(process.execPath, [file, ...args], {
    cwd: REPOSITORY_ROOT,
    encoding: 'utf8',
    env: { PATH, HOME, ...env },
  })
}

const json = async (response: Response) => JSON.parse(await response.text())

/** The services on an own database, started from the bundles. */
async function startBundles(t: TestScope, environment: Record<string, string> = {}) {
  const database = await testDatabase(t)
  const redis = await testRedis(t)
  const env: Record<string, string> = {
    DATABASE_URL: database.url,
    REDIS_URL: redis.url,
    ...environment,
  }
  const worker = startService(t, 'reference-worker', { ...env }, { bundles }) // part:jobs
  env.JOB_HANDLERS = 'off' // part:jobs
  const api = startService(t, 'reference-api', env, { bundles })
  const apiUrl = await api.listening()
  await worker.listening() // part:jobs
  const parallel = startService(t, 'parallel-api', { ...env, UPSTREAM_URL: apiUrl }, { bundles })
  return {
    database,
    api,
    apiUrl,
    parallelUrl: await parallel.listening(),
  }
}

t.test('the bundles answer as the sources do, without node_modules', async (t) => {
  const { apiUrl, parallelUrl } = await startBundles(t)

  await t.test('rows, pages and both documents', async (t) => {
    for (const path of [
      '/users/1',
      '/users?limit=2',
      '/products/1',
      '/orders?limit=2',
      '/metrics',
      '/services',
    ])
      t.equal((await fetch(apiUrl + path)).status, 200, path)
    const user = await json(await fetch(`${apiUrl}/users/1`))
    t.equal(user.id, 1)
    for (const url of [apiUrl, parallelUrl]) {
      t.ok((await json(await fetch(`${url}/openapi.json`))).paths['/users/{id}'])
      t.match(await (await fetch(`${url}/docs`)).text(), /swagger-ui-bundle\.js/)
      const script = await (await fetch(`${url}/docs/static/swagger-ui-bundle.js`)).text()
      t.ok(script.length > 1_000_000)
    }
    const page = await fetch(`${apiUrl}/orders?limit=200`, { headers: { 'accept-encoding': 'zstd' } })
    t.equal(page.headers.get('content-encoding'), 'zstd')
    t.equal((await fetch(`${apiUrl}/users/none`)).status, 400, 'validation')
  })

  // part:parallel-api
  await t.test('calls to the upstream, and the report in a thread', async (t) => {
    t.equal((await json(await fetch(`${parallelUrl}/all?limit=3`))).users.length, 3)
    t.equal((await json(await fetch(`${parallelUrl}/aggregate?limit=3`))).items.length, 3)
    const report = await json(await fetch(`${parallelUrl}/report`))
    t.equal(report.engine, 'workers')
    const inSql = await json(await fetch(`${parallelUrl}/report?engine=sql`))
    t.same(report.rows, inSql.rows)
  })
  // end:parallel-api

  // part:jobs
  await t.test('a large job, in a thread of the worker process', async (t) => {
    const body = JSON.stringify({ text: 'x'.repeat(200_000) })
    const stored = await fetch(`${apiUrl}/process-data`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body,
    })
    t.equal(stored.status, 202)
    const { jobId } = await json(stored)
    const job = await until('the job is done', async () => {
      const found = await json(await fetch(`${apiUrl}/jobs/${jobId}`))
      return found.state === 'completed' && found
    })
    t.equal(job.result.sha256, createHash('sha256').update(body).digest('hex'))
  })
  // end:jobs
})

t.test('traces of the bundles are those of the sources', async (t) => {
  const names = new Set<string>()
  const collector = createServer(async (request, response) => {
    let text = ''
    for await (const part of request.setEncoding('utf8')) text += part
    for (const { resource, scopeSpans } of JSON.parse(text).resourceSpans) {
      const service = resource.attributes.find(({ key }: { key: string }) => key === 'service.name').value
        .stringValue
      for (const { spans } of scopeSpans) for (const { name } of spans) names.add(`${service}: ${name}`)
    }
    response.setHeader('content-type', 'application/json').end('{}')
  })
  collector.listen(0, '127.0.0.1')
  await once(collector, 'listening')
  t.teardown(() => collector.close().closeAllConnections())
  const { apiUrl, parallelUrl } = await startBundles(t, {
    OTEL_EXPORTER_OTLP_ENDPOINT: `http://127.0.0.1:${(collector.address() as AddressInfo).port}`,
    OTEL_TRACES_SAMPLER: 'always_on',
    NODE_OPTIONS: `--import ${join(bundles, 'reference-api/telemetry.js')}`,
  })
  await fetch(`${apiUrl}/users/1`)
  await fetch(`${parallelUrl}/aggregate?limit=1`) // part:parallel-api
  await fetch(`${parallelUrl}/report`) // part:parallel-api
  // part:jobs
  await fetch(`${apiUrl}/process-data`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: '{"a":1}',
  })
  // end:jobs
  const expected = [
    // part:parallel-api
    'parallel-api: GET /aggregate',
    'parallel-api: GET',
    'parallel-api: GET /report',
    // end:parallel-api
    'reference-api: GET /users/:id',
    // part:jobs
    'reference-api: POST /process-data',
    'reference-api: send process-data',
    'reference-worker: handle process-data',
    // end:jobs
  ]
  await until('every span has arrived', () => expected.every((name) => names.has(name))).catch(() => {})
  for (const name of expected) t.ok(names.has(name), name)
  t.ok(
    [...names].some((name) => name.startsWith('reference-api: cache ')),
    'tier 2',
  )
})

t.test('a stack names the line of the source', async (t) => {
  const { database, api, apiUrl } = await startBundles(t)
  const sql = postgres(database.superuserUrl, { max: 1 })
  t.teardown(() => sql.end())
  await sql`alter table orders drop constraint orders_quantity_check`
  await sql`update orders set quantity = 0 where id = 1`
  t.equal((await fetch(`${apiUrl}/orders/1`)).status, 500)
  const stack = await until('the error is logged', () => /"stack":"([^"]+)"/.exec(api.output.text)?.[1])
  const [, file = '', line] = /((?:packages|services)\/[\w/-]+\.ts):(\d+):\d+/.exec(stack) ?? []
  const source = readFileSync(join(REPOSITORY_ROOT, file), 'utf8').split('\n')[Number(line) - 1]
  t.match(source, /new AppError\(|throw /, `${file}:${line}`)
})

t.test('the bundles migrate and seed a database', async (t) => {
  const { url } = await testDatabase(t, { from: 'empty' })
  const env = { DATABASE_URL: url }
  const migrated = runFile(join(bundles, 'reference-api/migrate.js'), [], env)
  t.equal(migrated.status, 0, migrated.stderr)
  const args = ['--users', '3', '--products', '2', '--orders', '5']
  const seeded = runFile(join(bundles, 'reference-api/seed.js'), args, env)
  t.equal(seeded.stdout.split(' in ')[0], '3 users, 2 products, 5 orders', seeded.stderr)
})

t.test('no file names a folder of the machine that built it', async (t) => {
  const files = globSync('**/*.{js,map,json}', { cwd: bundles }).filter(
    (file) => !file.includes('compile-cache'),
  )
  t.ok(files.length > 5)
  for (const file of files) {
    const text = readFileSync(join(bundles, file), 'utf8')
    t.notOk(text.includes(REPOSITORY_ROOT), file)
    t.notOk(text.includes(bundles), file)
  }
})

t.test('a second build writes the same files', (t) => {
  // Beside the first one, since a map names the sources by their path from its folder.
  const again = `${bundles}-again`
  t.teardown(() => rmSync(again, { recursive: true, force: true }))
  t.equal(runFile('tools/build/main.ts', ['--to', again], {}).status, 0)
  const files = globSync('**/*.{js,map}', { cwd: again })
  t.ok(files.length > 5)
  for (const file of files)
    t.ok(readFileSync(join(bundles, file)).equals(readFileSync(join(again, file))), file)
  t.end()
})
