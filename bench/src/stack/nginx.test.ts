import { readdirSync, readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import t from 'tap'
import { NGINX_VARIABLES } from './nginx.ts'

t.test('every variable of the nginx templates has a value', async (t) => {
  const templates = fileURLToPath(new URL('../../../infra/nginx/templates', import.meta.url))
  const files = readdirSync(templates, { recursive: true, withFileTypes: true }).filter((entry) =>
    entry.isFile(),
  )
  const used = files.flatMap(({ parentPath, name }) =>
    [...readFileSync(`${parentPath}/${name}`, 'utf8').matchAll(/\$\{(NGINX_\w+)\}/g)].map(
      ([, variable]) => variable,
    ),
  )
  t.same([...new Set(used)].toSorted(), Object.keys(NGINX_VARIABLES).toSorted())
})

t.test('settings that affect speed are those of the compose file', async (t) => {
  const compose = readFileSync(new URL('../../../docker-compose.prod.yml', import.meta.url), 'utf8')
  for (const name of ['NGINX_UPSTREAM_HTTP', 'NGINX_UPSTREAM_KEEPALIVE', 'NGINX_GZIP'] as const) {
    const [, value] = new RegExp(`${name}: \\$\\{${name}:-([^}]*)\\}`).exec(compose) ?? []
    t.equal(NGINX_VARIABLES[name], value, name)
  }
})
