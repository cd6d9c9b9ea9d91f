import type { Manifest } from './kubernetes.ts'

interface Fault {
  instancePath: string
  message?: string
  keyword: string
  params: object
}
type Validate = ((document: unknown) => boolean) & { errors: Fault[] | null }

/**
 * Validates a document against the schemas that Kubernetes publishes (OpenAPI, from the package kubernetes-models). Unknown fields are
 * faults, as with the API server's `--validate=strict`.
 */
export async function faultsOf(document: Manifest): Promise<string[]> {
  const schema = schemaName(document)
  const { validate } = (await import(`kubernetes-models/_schemas/${schema}`)) as { validate: Validate }
  const unread = new Set<string>()
  validate(watched(document, '', unread))
  const faults = (validate.errors ?? []).map(
    ({ instancePath, keyword, params }) => `${instancePath}: ${keyword} ${JSON.stringify(params)}`,
  )
  // Report an unknown field once, without the fields inside it.
  const unknown = [...unread].filter((path) => ![...unread].some((other) => path.startsWith(`${other}/`)))
  return [...faults, ...unknown.map((path) => `${path}: unknown`)]
}

const groups: Record<string, string> = {
  '': 'Core',
  apps: 'Apps',
  autoscaling: 'Autoscaling',
  batch: 'Batch',
  policy: 'Policy',
  'networking.k8s.io': 'Networking',
}

function schemaName({ apiVersion, kind }: Manifest): string {
  const [version = '', group = ''] = apiVersion.split('/').reverse()
  const name = groups[group]
  if (name === undefined) throw new Error(`no schemas are known for ${apiVersion}`)
  return `IoK8sApi${name}${version.replace(/^v/, 'V')}${kind}`
}

/**
 * A copy that records which of its fields are never read. The package's compiled validators ignore unknown fields, and read every
 * known field, by name or by iteration.
 */
function watched(value: unknown, path: string, unread: Set<string>): unknown {
  if (Array.isArray(value)) return value.map((item, index) => watched(item, `${path}/${index}`, unread))
  if (typeof value !== 'object' || value === null) return value
  const copy = Object.fromEntries(
    Object.entries(value).map(([key, item]) => {
      unread.add(`${path}/${key}`)
      return [key, watched(item, `${path}/${key}`, unread)]
    }),
  )
  return new Proxy(copy, {
    get(target, key) {
      unread.delete(`${path}/${String(key)}`)
      return Reflect.get(target, key)
    },
  })
}
