import { spawnSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parse, parseAllDocuments } from 'yaml'

export const root = fileURLToPath(new URL('../../', import.meta.url))

export type Labels = Record<string, string>
export interface Selector {
  matchLabels?: Labels
  matchExpressions?: { key: string; operator: string; values: string[] }[]
}
export interface Probe {
  httpGet: { path: string; port: string }
  timeoutSeconds: number
}
export interface Container {
  name: string
  image: string
  command?: string[]
  ports?: { name: string; containerPort: number }[]
  env?: { name: string; value?: string }[]
  envFrom?: { configMapRef: { name: string } }[]
  resources: { requests: Labels; limits: Labels }
  securityContext: Record<string, unknown>
  startupProbe?: Probe
  livenessProbe?: Probe
  readinessProbe?: Probe
}
interface SecretItems {
  name?: string
  secretName?: string
  items: { key: string; path: string }[]
}
export type PodSpec = {
  containers: Container[]
  serviceAccountName: string
  securityContext: Record<string, unknown>
  terminationGracePeriodSeconds?: number
  topologySpreadConstraints?: { labelSelector: Selector; topologyKey: string }[]
  volumes?: { secret?: SecretItems; projected?: { sources: { secret: SecretItems }[] } }[]
} & Record<string, unknown>
interface Peer {
  namespaceSelector?: Selector
  podSelector?: Selector
  ipBlock?: { cidr: string }
}
export interface PolicyRule {
  from?: Peer[]
  to?: Peer[]
  ports?: { protocol: string; port: string | number }[]
}
export interface Manifest {
  apiVersion: string
  kind: string
  metadata: { name: string; namespace?: string; labels?: Labels }
  data?: Labels
  automountServiceAccountToken?: boolean
  spec?: {
    template?: { metadata: { labels: Labels }; spec: PodSpec }
    strategy?: { rollingUpdate: { maxUnavailable: number; maxSurge: number } }
    replicas?: number
    minReplicas?: number
    maxReplicas?: number
    scaleTargetRef?: { kind: string; name: string }
    selector?: Selector & Labels
    podSelector?: Selector
    policyTypes?: string[]
    ingress?: PolicyRule[]
    egress?: PolicyRule[]
    ports?: { name: string; port: number; targetPort: string }[]
    rules?: {
      host?: string
      http: {
        paths: {
          path: string
          pathType: 'Prefix' | 'Exact'
          backend: { service: { name: string; port: { name: string } } }
        }[]
      }
    }[]
  }
}

/** Why kubectl cannot render here; false if it can. */
export const noKubectl: string | false = (() => {
  const { status, stdout } = spawnSync('kubectl', ['version', '--client', '--output', 'json'], {
    encoding: 'utf8',
  })
  if (status !== 0) return 'there is no kubectl here (Debian 13 and newer: apt-get install kubernetes-client)'
  // Kustomize before 5 supports neither `labels` nor folders among `resources`.
  const { kustomizeVersion = 'none' } = JSON.parse(stdout) as { kustomizeVersion?: string }
  return /^v?([5-9]|\d\d)\./.test(kustomizeVersion)
    ? false
    : `kubectl's kustomize is ${kustomizeVersion}, not 5`
})()

interface Rendered {
  readonly text: string
  readonly manifests: Manifest[]
}

const renderedFolders = new Map<string, Rendered>()

/** The output of `kubectl kustomize` for a folder below infra/kubernetes; each folder is rendered once. */
export function render(folder: string): Rendered {
  const known = renderedFolders.get(folder) ?? kustomize(folder)
  renderedFolders.set(folder, known)
  return known
}

function kustomize(folder: string): Rendered {
  const { status, stdout, stderr } = spawnSync(
    'kubectl',
    ['kustomize', join(root, 'infra/kubernetes', folder)],
    { encoding: 'utf8' },
  )
  if (status !== 0 || stderr !== '') throw new Error(`${folder}: ${stderr}`)
  return { text: stdout, manifests: manifestsIn(stdout) }
}

export function manifestsIn(text: string): Manifest[] {
  return parseAllDocuments(text).map((document) => {
    if (document.errors.length > 0) throw document.errors[0]
    return document.toJS() as Manifest
  })
}

/** Whether a selector matches these labels; an empty one matches everything. */
export function selects({ matchLabels = {}, matchExpressions = [] }: Selector, labels: Labels): boolean {
  return (
    Object.entries(matchLabels).every(([key, value]) => labels[key] === value) &&
    matchExpressions.every(({ key, operator, values }) => {
      if (operator !== 'In') throw new Error(`${operator} is not known here`)
      return values.includes(labels[key] ?? '')
    })
  )
}

/** The environment of a container: its ConfigMaps, overridden by its own variables. */
export function environmentOf(container: Container, manifests: Manifest[]): Labels {
  const shared = (container.envFrom ?? []).map(({ configMapRef: { name } }) => {
    const map = manifests.find(({ kind, metadata }) => kind === 'ConfigMap' && metadata.name === name)
    if (map === undefined) throw new Error(`there is no ConfigMap ${name}`)
    return map.data ?? {}
  })
  const own = (container.env ?? []).map(({ name, value = '' }) => [name, value])
  return Object.assign({}, ...shared, Object.fromEntries(own))
}

/** The environment of each service in docker-compose.prod.yml, with default values of variables. */
export function composeEnvironments(): Record<string, Labels> {
  const { services } = parse(readFileSync(join(root, 'docker-compose.prod.yml'), 'utf8'), {
    merge: true,
    // The file has more aliases than the limit against hostile files allows.
    maxAliasCount: -1,
  }) as {
    services: Record<string, { environment?: Record<string, string | number> }>
  }
  return Object.fromEntries(
    Object.entries(services).map(([name, { environment = {} }]) => [
      name,
      Object.fromEntries(
        Object.entries(environment).map(([key, value]) => [
          key,
          String(value).replace(/\$\{\w+:-([^}]*)\}/g, '$1'),
        ]),
      ),
    ]),
  )
}
