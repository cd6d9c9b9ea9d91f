import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { loadConfig } from '@reference/config'
import { SERVICES } from '@reference/shop/services'
import t from 'tap'
import { parse } from 'yaml'

const root = join(import.meta.dirname, '../..')
const read = (path: string) => readFile(join(root, path), 'utf8')

/** The value of a variable of a compose file: its default where it has one. */
const withDefaults = (value: unknown) => String(value).replaceAll(/\$\{\w+:-([^}]*)\}/g, '$1')

/** The settings of the APIs as the service reads them. */
function configOf(environment: Record<string, unknown>) {
  const wanted = [
    'RATE_LIMIT_RPS',
    'RATE_LIMIT_EXEMPT',
    'TRUST_PROXY',
    'INTERNAL_PORT',
    'NODE_ENV',
    'API_DOCS',
  ]
  const entries = Object.entries(environment)
    .filter(([name]) => wanted.includes(name))
    .map(([name, value]) => [name, withDefaults(value)])
  return loadConfig(SERVICES['reference-api'], {
    ...Object.fromEntries(entries),
    DATABASE_URL: 'postgres://127.0.0.1/reference',
  })
}

t.test('production on one machine limits each client, in nginx and in the APIs', async (t) => {
  const compose = parse(await read('docker-compose.prod.yml'), { merge: true, maxAliasCount: -1 })
  const nginx = compose.services.nginx.environment
  for (const name of ['reference-api', 'parallel-api']) {
    const config = configOf(compose.services[name].environment)
    const admitted = Number(withDefaults(nginx.NGINX_RATE)) + Number(withDefaults(nginx.NGINX_BURST))
    t.ok((config.rateLimitRps ?? 0) >= admitted, 'not below what nginx lets through')
    t.ok((config.rateLimitRps ?? Number.POSITIVE_INFINITY) <= 10_000)
    t.ok(config.rateLimitExempt?.includes('127.0.0.1/32'), 'the address of calls between the APIs')
    t.ok(config.trustProxy)
    t.equal(config.internalPort, 9000)
    t.notOk(config.apiDocs)
  }
  const forwarded = await read('infra/nginx/templates/10-limits.conf.template')
  t.match(forwarded, /map \$server_port \$forwarded_for \{\s+8000 127\.0\.0\.1;\s+default \$remote_addr;/)
  const snippet = await read('infra/nginx/templates/snippets/proxy.conf.template')
  t.match(snippet, /proxy_set_header X-Forwarded-For \$forwarded_for;/)
})

t.test('production on Kubernetes limits each client in the APIs', async (t) => {
  const text = await read('infra/kubernetes/base/settings.env')
  const config = configOf(
    Object.fromEntries([...text.matchAll(/^([A-Z_]+)=(.*)$/gm)].map(([, ...pair]) => pair)),
  )
  t.equal(config.rateLimitRps, 500)
  t.ok(config.rateLimitExempt?.includes('10.0.0.0/8'), 'pods call each other')
  t.ok(config.trustProxy)
  t.notOk(config.apiDocs)
  const ingress = await read('infra/kubernetes/base/ingress.yaml')
  for (const path of ['docs', 'openapi', 'metrics', 'ready', 'services']) {
    t.notMatch(ingress, new RegExp(`path: /${path}`), `/${path} is not reachable from outside`)
  }
})

t.test('nginx keeps the calls of operators inside', async (t) => {
  const text = await read('infra/nginx/templates/snippets/public.conf.template')
  t.match(text, /location ~ \^\(\/parallel\)\?\/\(ready\|metrics\|services\)\(\/\|\$\) \{\s+return 404;/)
})
