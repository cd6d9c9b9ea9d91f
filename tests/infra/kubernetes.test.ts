import { spawnSync } from 'node:child_process'
import { globSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { settings } from '@reference/config'
import { freePort, startService, type TestService, testDatabase, testRedis } from '@reference/local-stack'
import { POOLS } from '@reference/shop'
import t from 'tap'
import {
  type Container,
  composeEnvironments,
  environmentOf,
  type Labels,
  type Manifest,
  manifestsIn,
  noKubectl,
  type PodSpec,
  type PolicyRule,
  render,
  root,
  selects,
} from './kubernetes.ts'
import { faultsOf } from './kubernetes-schema.ts'
import { podsOf, restrictedFaults } from './pod-security.ts'

const folders = ['base', 'overlays/example', 'overlays/redis-cluster'] as const
const skip = noKubectl
if (skip) process.stderr.write(`tests/infra/kubernetes: tests that need kubectl are skipped: ${skip}\n`)

const ofKind = (manifests: Manifest[], ...kinds: string[]) =>
  manifests.filter(({ kind }) => kinds.includes(kind))
const labelsOf = ({ spec }: Manifest): Labels => spec?.template?.metadata.labels ?? {}
function podOf({ spec, metadata }: Manifest): PodSpec {
  if (spec?.template === undefined) throw new Error(`${metadata.name} has no pods`)
  return spec.template.spec
}
function containerOf(manifest: Manifest): Container {
  const { containers } = podOf(manifest)
  const [only] = containers
  if (only === undefined || containers.length > 1)
    throw new Error(`${manifest.metadata.name}: not one container`)
  return only
}
const probes = ['startupProbe', 'livenessProbe', 'readinessProbe'] as const
function probeOf(container: Container, name: (typeof probes)[number]) {
  const probe = container[name]
  if (probe === undefined) throw new Error(`${container.image} has no ${name}`)
  return probe
}
function find(manifests: Manifest[], kind: string, name: string): Manifest {
  const found = manifests.find((each) => each.kind === kind && each.metadata.name === name)
  if (found === undefined) throw new Error(`there is no ${kind} ${name}`)
  return found
}

t.test(
  'every folder renders, and each document fits the published schema with no field beyond it',
  { skip },
  async (t) => {
    for (const folder of folders) {
      const { manifests } = render(folder)
      t.ok(manifests.length > 20, `${folder}: ${manifests.length} documents`)
      for (const manifest of manifests) {
        t.same(await faultsOf(manifest), [], `${folder}: ${manifest.kind} ${manifest.metadata.name}`)
      }
    }
  },
)

t.test('the schemas detect faults', { skip }, async (t) => {
  const { manifests } = render('base')
  const wrong = async (kind: string, change: (text: string) => string) => {
    const [manifest] = ofKind(manifests, kind)
    const before = JSON.stringify(manifest)
    const after = change(before)
    t.not(after, before, `${kind} was changed`)
    return faultsOf(JSON.parse(after))
  }
  t.same(await wrong('Deployment', (text) => text.replace('"livenessProbe"', '"livenesProbe"')), [
    '/spec/template/spec/containers/0/livenesProbe: unknown',
  ])
  t.same(await wrong('Service', (text) => text.replace('"labels"', '"lables"')), [
    '/metadata/lables: unknown',
  ])
  t.match(
    (await wrong('Deployment', (text) => text.replace('"selector"', '"select"'))).join(),
    /missing.*selector/,
  )
  t.match(
    (await wrong('Job', (text) => text.replace('"backoffLimit":3', '"backoffLimit":"3"'))).join(),
    /integer/,
  )
  t.match(
    (await wrong('Ingress', (text) => text.replace('"pathType"', '"type"'))).join(),
    /missing.*pathType/,
  )
  t.match(
    (await wrong('NetworkPolicy', (text) => text.replace('"podSelector"', '"pods"'))).join(),
    /pods: unknown/,
  )
  t.match(
    (await wrong('HorizontalPodAutoscaler', (text) => text.replace('"averageValue"', '"average"'))).join(),
    /average: unknown/,
  )
})

t.test('every variable of an environment is a setting, and secrets are files', { skip }, async (t) => {
  for (const folder of folders) {
    const { manifests } = render(folder)
    for (const manifest of ofKind(manifests, 'Deployment', 'Job')) {
      for (const [name, value] of Object.entries(environmentOf(containerOf(manifest), manifests))) {
        const setting = name.replace(/_FILE$/, '')
        const where = `${folder}: ${manifest.metadata.name}: ${name}`
        t.ok(setting in settings, where)
        const secret = (settings as Record<string, { secret?: boolean }>)[setting]?.secret === true
        t.equal(secret, name.endsWith('_FILE'), `${where} is a file if and only if it is secret`)
        if (secret) t.match(value, /^(\/run\/secrets\/\w+)?$/, where)
      }
    }
  }
})

t.test(
  'each process has the environment of docker-compose.prod.yml, except for the differences listed here',
  { skip },
  async (t) => {
    const redis = ['REDIS_URL_FILE', 'REDIS_CLUSTER_NODES', 'REDIS_USERNAME', 'REDIS_PASSWORD_FILE']
    // A cluster configures traces itself; the heap limit comes from the image.
    const traces = ['NODE_OPTIONS', 'OTEL_EXPORTER_OTLP_ENDPOINT', 'OTEL_TRACES_SAMPLER_ARG']
    // nginx limits clients before the APIs do, and passes on the calls between them; an Ingress does neither.
    const limits = ['RATE_LIMIT_EXEMPT', 'RATE_LIMIT_RPS']
    // nginx sets them for all replies, its own included.
    const headers = ['SECURITY_HEADERS']
    const different: Record<string, string[]> = {
      // Endpoints are updated later than Docker's DNS, so the shutdown delay differs. WORKER_THREADS would follow the node's CPUs.
      'reference-api': [...redis, ...traces, ...limits, ...headers, 'SHUTDOWN_DELAY_MS', 'WORKER_THREADS'],
      // The pod has memory for the default cache, and calls the Service instead of nginx.
      'parallel-api': [
        ...redis,
        ...traces,
        ...limits,
        ...headers,
        'CACHE_L1_MAX_BYTES',
        'SHUTDOWN_DELAY_MS',
        'UPSTREAM_URL',
      ],
      worker: [...redis, ...traces, ...limits, ...headers, 'WORKER_THREADS'],
      migrate: [],
    }
    const { manifests } = render('base')
    const compose = composeEnvironments()
    for (const manifest of ofKind(manifests, 'Deployment', 'Job')) {
      const { name } = manifest.metadata
      const ours = environmentOf(containerOf(manifest), manifests)
      const theirs = compose[name] ?? {}
      const names = new Set([...Object.keys(ours), ...Object.keys(theirs)])
      const differing = [...names].filter((key) => ours[key] !== theirs[key])
      t.same(differing.sort(), [...(different[name] ?? [])].sort(), name)
    }
  },
)

t.test('every pod is hardened and has no token of the cluster', { skip }, async (t) => {
  const { manifests } = render('base')
  const all = ofKind(manifests, 'Deployment', 'Job')
  t.same(all.map(({ metadata }) => metadata.name).sort(), [
    'migrate',
    'parallel-api',
    'reference-api',
    'worker',
  ])
  for (const manifest of all) {
    const { name } = manifest.metadata
    const pod = podOf(manifest)
    t.match(pod, {
      automountServiceAccountToken: false,
      enableServiceLinks: false,
      securityContext: { runAsNonRoot: true, runAsUser: 1000, seccompProfile: { type: 'RuntimeDefault' } },
    })
    t.same(
      containerOf(manifest).securityContext,
      {
        allowPrivilegeEscalation: false,
        readOnlyRootFilesystem: true,
        capabilities: { drop: ['ALL'] },
      },
      name,
    )
    for (const field of ['hostNetwork', 'hostPID', 'hostIPC']) t.notOk(field in pod, `${name}: ${field}`)
    const { requests, limits } = containerOf(manifest).resources
    t.ok(requests.cpu && limits.cpu, `${name} has limits`)
    t.equal(requests.memory, limits.memory, `${name}: memory that is promised is there`)
    const account = find(manifests, 'ServiceAccount', pod.serviceAccountName)
    t.equal(account.automountServiceAccountToken, false, name)
  }
  t.match(ofKind(manifests, 'Namespace')[0]?.metadata.labels, {
    'pod-security.kubernetes.io/enforce': 'restricted',
  })
})

t.test('each pod of each overlay passes the Pod Security Standard "restricted"', { skip }, async (t) => {
  for (const folder of folders) {
    const { manifests } = render(folder)
    const pods = manifests.flatMap((manifest) =>
      podsOf(manifest).map((pod) => ({ name: manifest.metadata.name, pod })),
    )
    t.ok(pods.length >= 2, `${folder} has pods`)
    for (const { name, pod } of pods) t.same(restrictedFaults(pod), [], `${folder}: ${name}`)
    t.match(ofKind(manifests, 'Namespace')[0]?.metadata.labels, {
      'pod-security.kubernetes.io/enforce': 'restricted',
      'pod-security.kubernetes.io/warn': 'restricted',
    })
  }
})

t.test('the check of the standard "restricted" detects each fault', async (t) => {
  const container = {
    name: 'app',
    securityContext: {
      allowPrivilegeEscalation: false,
      readOnlyRootFilesystem: true,
      capabilities: { drop: ['ALL'] },
    },
  }
  const securityContext = { runAsNonRoot: true, seccompProfile: { type: 'RuntimeDefault' } }
  const good = { securityContext, containers: [container], volumes: [{ name: 'tmp', emptyDir: {} }] }
  t.same(restrictedFaults(good), [])
  const within = (more: object) => ({
    ...good,
    containers: [{ ...container, securityContext: { ...container.securityContext, ...more } }],
  })
  const cases: [object, string[]][] = [
    [{ ...good, hostNetwork: true, hostPID: true, hostIPC: true }, ['hostNetwork', 'hostPID', 'hostIPC']],
    [{ ...good, volumes: [{ name: 'host', hostPath: { path: '/' } }] }, ['volume hostPath']],
    [{ ...good, securityContext: { ...securityContext, sysctls: [{}] } }, ['sysctls']],
    [{ ...good, securityContext: {} }, ['app: seccompProfile', 'app: runAsNonRoot']],
    [
      { ...good, initContainers: [{ ...container, name: 'init', ports: [{ hostPort: 80 }] }] },
      ['init: hostPort'],
    ],
    [within({ privileged: true, procMount: 'Unmasked' }), ['app: privileged', 'app: procMount']],
    [within({ allowPrivilegeEscalation: undefined }), ['app: allowPrivilegeEscalation']],
    [within({ capabilities: { drop: ['ALL'], add: ['SYS_ADMIN'] } }), ['app: capabilities']],
    [within({ capabilities: {} }), ['app: capabilities']],
    [within({ runAsUser: 0, seLinuxOptions: {} }), ['app: seLinuxOptions', 'app: runAsUser']],
    [within({ seccompProfile: { type: 'Unconfined' } }), ['app: seccompProfile']],
    [within({ readOnlyRootFilesystem: false }), ['app: readOnlyRootFilesystem']],
  ]
  for (const [pod, faults] of cases) t.same(restrictedFaults(pod), faults, faults.join())
})

t.test(
  'a pod has enough time for its shutdown, and a rollout starts the successor first',
  { skip },
  async (t) => {
    for (const folder of folders) {
      const { manifests } = render(folder)
      for (const manifest of ofKind(manifests, 'Deployment')) {
        const environment = environmentOf(containerOf(manifest), manifests)
        const needed =
          (Number(environment.SHUTDOWN_DELAY_MS) + Number(environment.SHUTDOWN_TIMEOUT_MS)) / 1000
        const given = podOf(manifest).terminationGracePeriodSeconds ?? 30
        t.ok(given > needed, `${folder}: ${manifest.metadata.name}: ${given} s for ${needed} s`)
        t.match(manifest.spec?.strategy?.rollingUpdate, { maxUnavailable: 0, maxSurge: 1 })
      }
    }
  },
)

t.test('every selector matches its pods', { skip }, async (t) => {
  for (const folder of folders) {
    const { manifests } = render(folder)
    const deployments = ofKind(manifests, 'Deployment')
    for (const deployment of deployments) {
      const { name } = deployment.metadata
      t.ok(selects(deployment.spec?.selector ?? {}, labelsOf(deployment)), `${name}: its own pods`)
      for (const { labelSelector } of podOf(deployment).topologySpreadConstraints ?? []) {
        t.ok(selects(labelSelector, labelsOf(deployment)), `${name}: is spread`)
      }
      const budgets = ofKind(manifests, 'PodDisruptionBudget').filter(({ spec }) =>
        selects(spec?.selector ?? {}, labelsOf(deployment)),
      )
      t.same(
        budgets.map(({ metadata }) => metadata.name),
        [name],
        `${name} has one budget`,
      )
    }
    for (const service of ofKind(manifests, 'Service')) {
      const taken = deployments.filter((each) =>
        selects({ matchLabels: service.spec?.selector ?? {} }, labelsOf(each)),
      )
      t.same(
        taken.map(({ metadata }) => metadata.name),
        [service.metadata.name],
      )
      const [pods] = taken
      const ports = pods && containerOf(pods).ports?.map(({ name }) => name)
      for (const { targetPort } of service.spec?.ports ?? []) t.ok(ports?.includes(targetPort), targetPort)
    }
    for (const { spec, metadata } of ofKind(manifests, 'HorizontalPodAutoscaler')) {
      const { kind = '', name = '' } = spec?.scaleTargetRef ?? {}
      const target = find(manifests, kind, name)
      t.equal(target.spec?.replicas, undefined, `${metadata.name}: the autoscaler alone sets the replicas`)
    }
    for (const { spec } of ofKind(manifests, 'Ingress')) {
      for (const { http } of spec?.rules ?? []) {
        for (const { backend } of http.paths) {
          const service = find(manifests, 'Service', backend.service.name)
          t.ok(service.spec?.ports?.some(({ name }) => name === backend.service.port.name))
        }
      }
    }
  }
})

t.test('network policies allow only the connections listed here', { skip }, async (t) => {
  const { manifests } = render('base')
  const pods = ofKind(manifests, 'Deployment', 'Job')
  const policies = ofKind(manifests, 'NetworkPolicy')
  const takes = (policy: Manifest, pod: Manifest) => selects(policy.spec?.podSelector ?? {}, labelsOf(pod))
  const peers = (rule: PolicyRule) =>
    (rule.from ?? rule.to ?? []).map(({ namespaceSelector, podSelector }) =>
      Object.values({ ...namespaceSelector?.matchLabels, ...podSelector?.matchLabels }).join('/'),
    )
  const ports = (rule: PolicyRule) => (rule.ports ?? []).map(({ protocol, port }) => `${protocol} ${port}`)
  const lines = (direction: 'ingress' | 'egress') =>
    pods
      .flatMap((pod) =>
        policies
          .filter((policy) => takes(policy, pod))
          .flatMap((policy) => policy.spec?.[direction] ?? [])
          .flatMap((rule) =>
            peers(rule).map((peer) => `${pod.metadata.name}: ${peer} ${ports(rule).join(', ')}`),
          ),
      )
      .sort()
  for (const pod of pods) {
    const closed = new Set(
      policies.filter((each) => takes(each, pod)).flatMap(({ spec }) => spec?.policyTypes ?? []),
    )
    t.same([...closed].sort(), ['Egress', 'Ingress'], `${pod.metadata.name} is closed both ways`)
  }
  t.same(lines('ingress'), [
    'parallel-api: ingress-nginx TCP http',
    'parallel-api: monitoring/prometheus TCP internal',
    'reference-api: ingress-nginx TCP http',
    'reference-api: monitoring/prometheus TCP internal',
    'reference-api: parallel-api TCP http',
    'worker: monitoring/prometheus TCP internal',
  ])
  t.same(lines('egress'), [
    'migrate: kube-system/kube-dns UDP 53, TCP 53',
    'migrate: stores TCP 5432, TCP 6432',
    'parallel-api: kube-system/kube-dns UDP 53, TCP 53',
    'parallel-api: reference-api TCP http',
    'parallel-api: stores TCP 5432, TCP 6432',
    'parallel-api: stores TCP 6379',
    'reference-api: kube-system/kube-dns UDP 53, TCP 53',
    'reference-api: stores TCP 5432, TCP 6432',
    'reference-api: stores TCP 6379',
    'worker: kube-system/kube-dns UDP 53, TCP 53',
    'worker: stores TCP 5432, TCP 6432',
    'worker: stores TCP 6379',
  ])
})

t.test(
  'the largest number of pods, during a rollout, stays within the client limit of PgBouncer',
  { skip },
  async (t) => {
    const { manifests } = render('base')
    const most = (name: string) => {
      const { spec } = find(manifests, 'Deployment', name)
      const autoscaler = ofKind(manifests, 'HorizontalPodAutoscaler').find(
        (each) => each.spec?.scaleTargetRef?.name === name,
      )
      return (
        (autoscaler?.spec?.maxReplicas ?? spec?.replicas ?? 1) + (spec?.strategy?.rollingUpdate.maxSurge ?? 0)
      )
    }
    // With a replica: primary, replica, cancellable, cancellable_primary (packages/database).
    const pools = ({ connections, cancellableConnections }: (typeof POOLS)[keyof typeof POOLS]) =>
      2 * connections + 2 * cancellableConnections
    const queue = [
      5, // part:jobs
    ].reduce((sum, each) => sum + each, 0)
    const lanes = 4 // part:parallel-api
    const clients = [
      most('reference-api') * (pools(POOLS['reference-api']) + queue),
      most('parallel-api') * (pools(POOLS['parallel-api']) + lanes), // part:parallel-api
      most('worker') * (pools(POOLS['reference-api']) + queue), // part:jobs
    ].reduce((sum, each) => sum + each)
    const allowed = Number(
      /^max_client_conn = (\d+)/m.exec(
        readFileSync(join(root, 'infra/pgbouncer/pgbouncer.ini'), 'utf8'),
      )?.[1],
    )
    t.ok(clients <= allowed, `${clients} of ${allowed}`)
  },
)

t.test('the example overlay sets the values of a team', { skip }, async (t) => {
  const { manifests } = render('overlays/example')
  for (const { kind, metadata } of manifests)
    t.ok(kind === 'Namespace' || metadata.namespace === 'shop', kind)
  for (const manifest of ofKind(manifests, 'Deployment', 'Job')) {
    t.match(containerOf(manifest).image, /^registry\.example\/shop\/(reference|parallel)-api:2026-/)
  }
  t.equal(find(manifests, 'Deployment', 'worker').spec?.replicas, 2) // part:jobs
  t.equal(find(manifests, 'HorizontalPodAutoscaler', 'reference-api').spec?.minReplicas, 4)
  t.equal(find(manifests, 'Ingress', 'public').spec?.rules?.[0]?.host, 'shop.example')
  for (const name of ['to-postgres', 'to-redis']) {
    t.same(find(manifests, 'NetworkPolicy', name).spec?.egress?.[0]?.to, [
      { ipBlock: { cidr: '192.0.2.0/24' } },
    ])
  }
})

t.test('no file contains a secret', async (t) => {
  const secret = /\/\/[^/\s:]+:[^/\s@]+@|kind: Secret\b|BEGIN [A-Z ]*PRIVATE KEY|[:=]\s*[0-9a-f]{64}/
  t.match('postgres://reference:hunter2@pgbouncer:6432/reference', secret, 'the pattern finds one')
  const files = globSync('infra/kubernetes/**/*', { cwd: root, withFileTypes: true }).filter((entry) =>
    entry.isFile(),
  )
  t.ok(files.length > 10)
  for (const { parentPath, name } of files)
    t.notMatch(readFileSync(join(parentPath, name), 'utf8'), secret, name)
})

t.test(
  'create-secrets.sh creates each key that a pod mounts, from the existing files',
  { skip },
  async (t) => {
    const folder = mkdtempSync(join(tmpdir(), 'reference-secrets-'))
    t.teardown(() => rmSync(folder, { recursive: true }))
    const run = () => {
      const { status, stdout, stderr } = spawnSync(
        join(root, 'infra/kubernetes/create-secrets.sh'),
        ['shop', folder],
        {
          encoding: 'utf8',
        },
      )
      return { status, stdout, stderr }
    }
    t.match(run(), { status: 1, stdout: '', stderr: /none of: database_url/ })
    for (const name of ['database_url', 'auth_tokens', 'redis_url', 'redis_api_password']) {
      writeFileSync(join(folder, name), `${name}\n`)
    }
    const { status, stdout } = run()
    t.equal(status, 0)
    const secrets = manifestsIn(stdout)
    for (const secret of secrets) t.same([secret.kind, secret.metadata.namespace], ['Secret', 'shop'])
    t.equal(Buffer.from(secrets[0]?.data?.database_direct_url ?? '', 'base64').toString(), 'database_url\n')
    for (const overlay of folders) {
      for (const manifest of ofKind(render(overlay).manifests, 'Deployment', 'Job')) {
        const mounted = (podOf(manifest).volumes ?? []).flatMap(({ secret, projected }) => [
          ...(secret ? [secret] : []),
          ...(projected?.sources.map((source) => source.secret) ?? []),
        ])
        t.ok(mounted.length > 0)
        for (const { name, secretName, items } of mounted) {
          const made = secrets.find(({ metadata }) => metadata.name === (name ?? secretName))
          for (const { key } of items)
            t.ok(made?.data?.[key], `${overlay}: ${manifest.metadata.name}: ${key}`)
        }
      }
    }
  },
)

t.test(
  'the processes start with the environment of their pod, answer its probes, and serve the paths of the Ingress',
  { skip },
  async (t) => {
    const { manifests } = render('base')
    const secrets = mkdtempSync(join(tmpdir(), 'reference-pods-'))
    t.teardown(() => rmSync(secrets, { recursive: true }))
    const { url } = await testDatabase(t)
    for (const name of ['database_url', 'database_direct_url', 'database_replica_url']) {
      writeFileSync(join(secrets, name), url)
    }
    writeFileSync(join(secrets, 'redis_url'), (await testRedis(t)).url)
    writeFileSync(join(secrets, 'auth_tokens'), `ci:${'0'.repeat(64)}:write`)

    /** Starts the process of a container, with another folder of secrets and free ports. */
    const start = async (name: string, service: Parameters<typeof startService>[1], more: Labels = {}) => {
      const container = containerOf(find(manifests, 'Deployment', name))
      const internal = await freePort()
      const environment = Object.entries(environmentOf(container, manifests)).map(([key, value]) => [
        key,
        value.replace('/run/secrets', secrets),
      ])
      const process: TestService = startService(t, service, {
        ...Object.fromEntries(environment),
        PORT: '0',
        INTERNAL_PORT: String(internal),
        ...more,
      })
      const ports: Labels = { http: await process.listening(), internal: `http://127.0.0.1:${internal}` }
      for (const probe of probes) {
        const { httpGet, timeoutSeconds } = probeOf(container, probe)
        const response = await fetch(`${ports[httpGet.port]}${httpGet.path}`)
        t.equal(response.status, 200, `${name}: ${probe}`)
        // The service waits up to 2 s for a dependency. A shorter probe would never see the answer.
        t.ok(timeoutSeconds > 2, `${name}: ${probe}`)
      }
      for (const path of ['/metrics', '/services']) {
        t.equal((await fetch(`${ports.http}${path}`)).status, 404, `${name}: ${path} is not public`)
        t.equal((await fetch(`${ports.internal}${path}`)).status, 200, `${name}: ${path} is inside`)
      }
      return ports.http ?? ''
    }
    // Off in production; here the document lists the paths.
    const documents = { API_DOCS: 'on' }
    const referenceApi = await start('reference-api', 'reference-api', documents)
    const services: Labels = {
      'reference-api': referenceApi,
      'parallel-api': await start('parallel-api', 'parallel-api', {
        ...documents,
        UPSTREAM_URL: referenceApi,
      }),
    }
    await start('worker', 'reference-worker') // part:jobs
    const shared = new Set(['/health', '/users/{id}'])

    const rules = ofKind(manifests, 'Ingress').flatMap(
      ({ spec }) => spec?.rules?.flatMap(({ http }) => http.paths) ?? [],
    )
    const goesTo = (path: string) =>
      rules.find(
        (rule) => rule.path === path || (rule.pathType === 'Prefix' && path.startsWith(`${rule.path}/`)),
      )?.backend.service.name
    for (const path of ['/ready', '/metrics', '/services', '/ready/', '/', '/users-of-others']) {
      t.equal(goesTo(path), undefined, `${path} leads nowhere`)
    }
    for (const [name, address] of Object.entries(services)) {
      const { paths } = (await (await fetch(`${address}/openapi.json`)).json()) as { paths: object }
      const documented = Object.keys(paths)
      t.ok(documented.length > 4)
      // Both APIs have these paths; the Ingress sends them to the reference-api.
      const open = documented.filter(
        (path) => path !== '/ready' && (name === 'reference-api' || !shared.has(path)),
      )
      for (const path of open) t.equal(goesTo(path.replace(/\{\w+\}/g, '1')), name, path)
      for (const { path } of rules.filter(({ backend }) => backend.service.name === name)) {
        const known = documented.some((each) => each === path || each.startsWith(`${path}/`))
        t.ok(known || (await fetch(`${address}${path}`)).ok, `${name} has ${path}`)
      }
    }
  },
)
