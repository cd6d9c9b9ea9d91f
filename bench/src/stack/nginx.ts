import { cpSync, mkdtempSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { freePort } from '@reference/local-stack'
import { BenchError } from '../errors.ts'
import { pullImage, startContainer, untilReady, writeSharedFiles } from './docker.ts'
import { connectionsOpened } from './process-stats.ts'
import type { Sidecar, SidecarKind } from './sidecar.ts'

export const NGINX_IMAGE = 'nginx:1.30'
const SHIPPED = fileURLToPath(new URL('../../../infra/nginx', import.meta.url))

/** The variables of the compose file, with higher limits, because one machine sends the load of many clients. */
export const NGINX_VARIABLES = {
  NGINX_TRUSTED_PROXY: '127.0.0.1',
  NGINX_UNLIMITED: '127.0.0.1',
  NGINX_RATE: '1000',
  NGINX_BURST: '1000',
  NGINX_CONNECTIONS: '1000',
  NGINX_GZIP: 'off',
  NGINX_UPSTREAM_HTTP: '1.1',
  NGINX_UPSTREAM_KEEPALIVE: '64',
}

/** nginx with the files of `infra/` and this run's addresses. */
export const NGINX_KEEP_ALIVE: SidecarKind = nginx('nginx', {})

/** nginx with a common misconfiguration: HTTP/1.0 to the service, a new connection for each request. */
export const NGINX_WITHOUT_KEEP_ALIVE: SidecarKind = nginx('nginx without upstream keep-alive', {
  NGINX_UPSTREAM_HTTP: '1.0',
  NGINX_UPSTREAM_KEEPALIVE: '0',
})

function nginx(name: string, changes: Readonly<Record<string, string>>): SidecarKind {
  return {
    name,
    prepare: (signal) => pullImage(NGINX_IMAGE, signal),
    start: ({ behind, cores, folder, signal }) =>
      startNginx({ behind: [behind], changes, cores, folder, signal }),
  }
}

interface NginxOptions {
  /** URLs of the replicas of the service; nginx distributes the requests over them. */
  readonly behind: readonly string[]
  /** Variables that differ from {@link NGINX_VARIABLES}. */
  readonly changes?: Readonly<Record<string, string>>
  readonly cores: readonly number[]
  readonly folder: string
  readonly signal: AbortSignal
}

/** Starts nginx as a container, with the files of `infra/` and this run's addresses. */
export async function startNginx({
  behind,
  changes = {},
  cores,
  folder,
  signal,
}: NginxOptions): Promise<Sidecar> {
  const ports = { public: await freePort(), inside: await freePort(), status: await freePort() }
  const hosts = behind.map((url) => new URL(url).host)
  const files = configure(mkdtempSync(join(folder, 'nginx-')), hosts, ports)
  const container = startContainer({
    image: NGINX_IMAGE,
    mounts: [
      [join(files, 'nginx.conf'), '/etc/nginx/nginx.conf'],
      [join(files, 'templates'), '/etc/nginx/templates'],
    ],
    // The image's own server listens on port 80, and several nginx are alive at once.
    emptied: ['/etc/nginx/conf.d'],
    environment: { ...NGINX_VARIABLES, ...changes },
    cores,
  })
  const counters = async () => {
    const answer = await fetch(`http://127.0.0.1:${ports.status}/stub_status`, { signal })
    const requests = Number(/^ \d+ \d+ (\d+)/m.exec(await answer.text())?.[1])
    const connections = connectionsOpened()
    return { requests, ...(connections !== undefined && { connections }) }
  }
  try {
    await untilReady(container, counters, signal)
  } catch (error) {
    await container.stop()
    throw error
  }
  return {
    url: `http://127.0.0.1:${ports.public}`,
    container: container.name,
    pid: container.pid,
    counters,
    stop: () => container.stop(),
  }
}

/**
 * Copies the files of `infra/nginx` with other addresses, and with the access log in a file, because Docker's handling of
 * standard output would be measured as nginx.
 */
function configure(
  folder: string,
  hosts: readonly string[],
  ports: { public: number; inside: number; status: number },
): string {
  const servers = hosts.map((host) => `server ${host} $1`).join('\n    ')
  cpSync(SHIPPED, folder, { recursive: true })
  writeSharedFiles(folder, {})
  replaceIn(join(folder, 'nginx.conf'), [[/access_log \/dev\/stdout /, 'access_log /tmp/access.log ']])
  replaceIn(join(folder, 'templates/20-upstreams.conf.template'), [
    [/server reference-api:8000 resolve (.*)/, servers],
    [/server parallel-api:8001 resolve (.*)/, servers], // part:parallel-api
  ])
  replaceIn(join(folder, 'templates/30-servers.conf.template'), [
    [/^( *)listen 80 /m, `$1listen 127.0.0.1:${ports.public} `],
    [/^( *)listen 8000;/m, `$1listen 127.0.0.1:${ports.inside};`],
    [/^( *)listen 8080;/m, `$1listen 127.0.0.1:${ports.status};`],
  ])
  return folder
}

function replaceIn(file: string, replacements: readonly (readonly [RegExp, string])[]): void {
  let text = readFileSync(file, 'utf8')
  for (const [pattern, replacement] of replacements) {
    if (!pattern.test(text)) throw new BenchError('CONTAINER_FAILED', `${file} has nothing like ${pattern}`)
    text = text.replace(pattern, replacement)
  }
  writeFileSync(file, text)
}
