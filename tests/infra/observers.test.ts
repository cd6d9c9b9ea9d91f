import { existsSync, globSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parser } from '@grafana/lezer-logql'
import t from 'tap'
import { parse } from 'yaml'
import { documented } from './documented-settings.ts'

const root = fileURLToPath(new URL('../../', import.meta.url))
const read = (path: string) => readFileSync(join(root, path), 'utf8')

interface Tree {
  [name: string]: Tree | Tree[] | string | number | boolean | null
}
// biome-ignore lint/suspicious/noExplicitAny: configuration of four programs, compared name by name
const yaml = (path: string): any => parse(read(path), { merge: true, maxAliasCount: -1 })

const loki = yaml('infra/loki/loki.yml')
const tempo = yaml('infra/tempo/tempo.yml')
const { datasources } = yaml('infra/grafana/provisioning/datasources/datasources.yml')
const { services } = yaml('docker-compose.observability.yml')
const alloy = read('infra/alloy/config.alloy').replace(/^\s*\/\/.*$/gm, '')

function unknownNames(tree: Tree, known: Record<string, readonly string[]>, path = ''): string[] {
  return Object.entries(tree).flatMap(([name, value]) => {
    const place = path === '' ? name : `${path}.${name}`
    if (!known[path]?.includes(name)) return [place]
    const inner = Array.isArray(value) ? value : typeof value === 'object' && value !== null ? [value] : []
    return inner.flatMap((of) => unknownNames(of, known, place))
  })
}

function ini(text: string): Tree {
  const sections: Record<string, Record<string, string>> = {}
  let section: Record<string, string> = {}
  for (const line of text.split('\n')) {
    const [, title] = /^\[(.+)\]$/.exec(line) ?? []
    const [, name, value] = /^(\w+) = (.+)$/.exec(line) ?? []
    if (title !== undefined) {
      section = {}
      sections[title] = section
    } else if (name !== undefined && value !== undefined) section[name] = value
    else if (line !== '' && !line.startsWith(';')) throw new Error(`not INI: ${line}`)
  }
  return sections
}

const grafana = ini(read('infra/grafana/grafana.ini')) as Record<string, Record<string, string>>

t.test('the reference of each version contains every setting', async (t) => {
  t.strictSame(unknownNames(loki, documented.loki), [])
  t.strictSame(unknownNames(tempo, documented.tempo), [])
  for (const [section, settings] of Object.entries(grafana)) {
    t.strictSame(
      Object.keys(settings).filter((name) => !documented.grafana[section]?.includes(name)),
      [],
      section,
    )
  }
})

t.test('the documentation names the version of each image whose files were checked', async (t) => {
  const docs = read('docs/OBSERVABILITY.md')
  for (const name of ['grafana', 'loki', 'alloy', 'tempo']) {
    const [, tag = ''] = /:v?([\d.]+)$/.exec(services[name].image) ?? []
    t.ok(docs.includes(`\n| ${name} | ${tag} |`), `${name} ${tag}`)
  }
})

t.test('logs, traces and samples are deleted after 7 days', async (t) => {
  t.equal(loki.limits_config.retention_period, '168h')
  t.equal(tempo.compactor.compaction.block_retention, '168h')
  t.ok(services.prometheus.command.includes('--storage.tsdb.retention.time=7d'))
  const newest = loki.schema_config.configs.at(-1)
  t.equal(loki.compactor.retention_enabled, true)
  t.equal(loki.compactor.delete_request_store, newest.object_store, 'without it Loki does not start')
  t.match(
    newest,
    { store: 'tsdb', schema: 'v13', index: { period: '24h' } },
    'structured metadata needs this schema',
  )
})

t.test('each sender has the address of its receiver', async (t) => {
  const ports: Record<string, number> = {
    loki: loki.server.http_listen_port,
    tempo: tempo.server.http_listen_port,
    prometheus: 9090,
  }
  for (const { uid, url } of datasources) {
    t.equal(url, `http://${uid}:${ports[uid]}`)
    t.ok(services[uid], uid)
  }
  t.match(alloy, `url = "http://loki:${ports.loki}/loki/api/v1/push"`)
  // part:production
  const [, otlp] = /:(\d+)$/.exec(tempo.distributor.receivers.otlp.protocols.http.endpoint) ?? []
  t.match(read('docker-compose.prod.yml'), `OTEL_EXPORTER_OTLP_ENDPOINT: http://tempo:${otlp}`)
  // end:production
  const uids = new Set(datasources.map(({ uid }: { uid: string }) => uid))
  for (const [, uid] of JSON.stringify(datasources).matchAll(/"datasourceUid":"([^"]+)"/g)) {
    t.ok(uids.has(uid), `${uid} is linked to`)
  }
})

t.test('Alloy: each referenced component exists', async (t) => {
  const made = new Set(
    [...alloy.matchAll(/^([a-z.]+) "(\w+)" \{$/gm)].map(([, kind, name]) => `${kind}.${name}`),
  )
  const named = [
    ...alloy.matchAll(/\b((?:discovery|loki)\.[a-z]+(?:\.[a-z]+)?\.[a-z]+)\.(?:targets|output|receiver)\b/g),
  ]
  t.equal(named.length, 4)
  for (const [, component = ''] of named) t.ok(made.has(component), component)
  t.equal(alloy.split('{').length, alloy.split('}').length)
})

const valuesOf = (stage: string) => {
  const [, inside = ''] = new RegExp(`stage\\.${stage} \\{\\s*\\w+ = \\{([^}]*)\\}`).exec(alloy) ?? []
  return [...inside.matchAll(/(\w+)\s*=/g)].map(([, name = '']) => name)
}

t.test('there are three labels, and ids are metadata', async (t) => {
  const labels = [...alloy.matchAll(/target_label\s*= "(\w+)"/g)]
    .map(([, name]) => name)
    .concat(valuesOf('labels'))
  t.strictSame(labels.sort(), ['container', 'level', 'service'])
  t.strictSame(loki.limits_config.discover_service_name, [], 'Loki adds none')
  const metadata = valuesOf('structured_metadata')
  for (const id of ['requestId', 'traceId', 'spanId', 'jobId']) t.ok(metadata.includes(id), id)
  const read = new Set(valuesOf('json'))
  for (const name of [...metadata, 'level', 'time']) t.ok(read.has(name), `${name} is read from the line`)
})

t.test('queries parse, and use only labels and metadata that Alloy sends', async (t) => {
  const queries = [
    ...[...JSON.stringify(datasources).matchAll(/"query":"(\{.*?[^\\])"/g)].map(([, text = '']) =>
      JSON.parse(`"${text}"`),
    ),
    ...globSync('infra/grafana/dashboards/*.json', { cwd: root }).flatMap((file) =>
      [...read(file).matchAll(/"expr": ("\{.*")/g)].map(([, text = '']) => JSON.parse(text)),
    ),
  ].map((query) => query.replace(/\$+\{__trace\.traceId\}/, 'a'.repeat(32)))
  t.ok(queries.length >= 2)
  const sent = new Set(['container', 'level', 'service', ...valuesOf('structured_metadata')])
  for (const query of queries) {
    parser.parse(query).iterate({
      enter: ({ type, from, to }) => {
        t.notOk(type.isError, `${query} at ${from}`)
        if (type.name === 'Identifier') t.ok(sent.has(query.slice(from, to)), query.slice(from, to))
      },
    })
  }
  for (const { name, jsonData } of datasources) {
    for (const field of jsonData.derivedFields ?? []) {
      t.match(field, { matcherType: 'label', url: '$${__value.raw}' }, name)
      t.ok(sent.has(field.matcherRegex), field.matcherRegex)
    }
  }
})

t.test('Grafana: visitors may follow links, and there is no default admin', async (t) => {
  t.equal(grafana['auth.anonymous']?.org_role, 'Editor', 'viewers have no Explore, where links lead')
  t.equal(grafana.security?.disable_initial_admin_creation, 'true')
  const home = grafana.dashboards?.default_home_dashboard_path?.replace('/etc/grafana', 'infra/grafana') ?? ''
  t.ok(existsSync(join(root, home)), home)
  for (const file of globSync('infra/grafana/dashboards/*.json', { cwd: root })) {
    const { refresh, time } = JSON.parse(read(file))
    t.match(
      { refresh, time },
      { refresh: grafana.dashboards?.min_refresh_interval, time: { from: 'now-1h' } },
      file,
    )
  }
})
