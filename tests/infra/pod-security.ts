import type { Manifest } from './kubernetes.ts'

/** The fields of a pod that the standard restricts. */
interface Pod {
  hostNetwork?: boolean
  hostPID?: boolean
  hostIPC?: boolean
  securityContext?: Context & { sysctls?: unknown[] }
  volumes?: Record<string, unknown>[]
  containers?: PodContainer[]
  initContainers?: PodContainer[]
  ephemeralContainers?: PodContainer[]
}
interface Context {
  runAsNonRoot?: boolean
  runAsUser?: number
  seccompProfile?: { type: string }
  seLinuxOptions?: unknown
}
interface PodContainer {
  name: string
  ports?: { hostPort?: number }[]
  securityContext?: Context & {
    privileged?: boolean
    allowPrivilegeEscalation?: boolean
    readOnlyRootFilesystem?: boolean
    procMount?: string
    capabilities?: { drop?: string[]; add?: string[] }
  }
}

const VOLUMES = [
  'configMap',
  'csi',
  'downwardAPI',
  'emptyDir',
  'ephemeral',
  'persistentVolumeClaim',
  'projected',
  'secret',
]

/** The pods of a manifest: its own, or the pods that it makes. */
export function podsOf(manifest: Manifest): Pod[] {
  const spec = manifest.spec as
    | { template?: { spec: Pod }; jobTemplate?: { spec: { template: { spec: Pod } } } }
    | undefined
  if (manifest.kind === 'Pod') return [spec as Pod]
  return [spec?.template?.spec, spec?.jobTemplate?.spec.template.spec].flatMap((pod) => pod ?? [])
}

/**
 * What the Pod Security Standard "restricted" refuses (https://kubernetes.io/docs/concepts/security/pod-security-standards/), and
 * besides that a root file system that can be written.
 */
export function restrictedFaults(pod: Pod): string[] {
  const own = pod.securityContext ?? {}
  const containers = [
    ...(pod.containers ?? []),
    ...(pod.initContainers ?? []),
    ...(pod.ephemeralContainers ?? []),
  ]
  return [
    ...(['hostNetwork', 'hostPID', 'hostIPC'] as const).filter((name) => pod[name] === true),
    ...((own.sysctls ?? []).length > 0 ? ['sysctls'] : []),
    ...(pod.volumes ?? []).flatMap((volume) => {
      const kind = Object.keys(volume).find((key) => key !== 'name') ?? 'none'
      return VOLUMES.includes(kind) ? [] : [`volume ${kind}`]
    }),
    ...containers.flatMap((container) =>
      containerFaults(container, own).map((fault) => `${container.name}: ${fault}`),
    ),
  ]
}

function containerFaults({ ports = [], securityContext: own = {} }: PodContainer, pod: Context): string[] {
  const { drop = [], add = [] } = own.capabilities ?? {}
  const seccomp = (own.seccompProfile ?? pod.seccompProfile)?.type ?? 'none'
  const faults: [string, boolean][] = [
    ['privileged', own.privileged === true],
    ['allowPrivilegeEscalation', own.allowPrivilegeEscalation !== false],
    ['capabilities', !drop.includes('ALL') || add.some((name) => name !== 'NET_BIND_SERVICE')],
    ['hostPort', ports.some(({ hostPort }) => hostPort !== undefined)],
    ['seLinuxOptions', (own.seLinuxOptions ?? pod.seLinuxOptions) !== undefined],
    ['procMount', own.procMount !== undefined && own.procMount !== 'Default'],
    ['seccompProfile', !['RuntimeDefault', 'Localhost'].includes(seccomp)],
    ['runAsNonRoot', (own.runAsNonRoot ?? pod.runAsNonRoot) !== true],
    ['runAsUser', (own.runAsUser ?? pod.runAsUser) === 0],
    ['readOnlyRootFilesystem', own.readOnlyRootFilesystem !== true],
  ]
  return faults.filter(([, isWrong]) => isWrong).map(([name]) => name)
}
