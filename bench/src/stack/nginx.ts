import { cpSync, mkdtempSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { freePort } from '@reference/local-stack'
import { BenchError } from '../errors.ts'
import { haveImage, sharedFolder, startContainer, untilReady } from './docker.ts'
import { connectionsOpened } from './process-stats.ts'
import type { Companion, CompanionKind } from './sidecar.ts'

const image = 'nginx:1.30'
const shipped = fileURLToPath(new URL('../../../infra/nginx', import.meta.url))

/** What the compose file sets, but for limits: one machine sends the load of many clients. */
export const nginxVariables = {
  NGINX_TRUSTED_PROXY: '127.0.0.1',
  NGINX_UNLIMITED: '127.0.0.1',
  NGINX_RATE: '1000',
  NGINX_BURST: '1000',
  NGINX_CONNECTIONS: '1000',
  NGINX_GZIP: 'off',
  NGINX_UPSTREAM_HTTP: '1.1',
  NGINX_UPSTREAM_KEEPALIVE: '64',
}

/** nginx as infra ships it; the addresses are this run's. */
export const nginxKeptAlive: CompanionKind = nginx('nginx', {})

/** The same as proxies are often set up: HTTP/1.0 to the service, a new connection for each request. */
export const nginxWithoutKeepAlive: CompanionKind = nginx('nginx without upstream keep-alive', {
  NGINX_UPSTREAM_HTTP: '1.0',
  NGINX_UPSTREAM_KEEPALIVE: '0',
})

function nginx(name: string, changes: Readonly<Record<string, string>>): CompanionKind {
  return {
    name,
    prepare: (signal) => haveImage(image, signal),
    async start({ behind, cores, folder, signal }): Promise<Companion> {
      const ports = { public: await freePort(), inside: await freePort(), status: await freePort() }
      const files = configure(mkdtempSync(join(folder, 'nginx-')), new URL(behind).host, ports)
      const container = startContainer({
        image,
        mounts: [
          [join(files, 'nginx.conf'), '/etc/nginx/nginx.conf'],
          [join(files, 'templates'), '/etc/nginx/templates'],
        ],
        environment: { ...nginxVariables, ...changes },
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
    },
  }
}

/**
 * A copy of infra's files with other addresses, and with the access log in a file: what Docker does with standard output
 * is no part of nginx.
 */
function configure(
  folder: string,
  service: string,
  ports: { public: number; inside: number; status: number },
): string {
  cpSync(shipped, folder, { recursive: true })
  sharedFolder(folder, {})
  change(join(folder, 'nginx.conf'), [[/access_log \/dev\/stdout /, 'access_log /tmp/access.log ']])
  change(join(folder, 'templates/20-upstreams.conf.template'), [
    [/server reference-api:8000 resolve /, `server ${service} `],
    [/server parallel-api:8001 resolve /, `server ${service} `],
  ])
  change(join(folder, 'templates/30-servers.conf.template'), [
    [/^( *)listen 80 /m, `$1listen 127.0.0.1:${ports.public} `],
    [/^( *)listen 8000;/m, `$1listen 127.0.0.1:${ports.inside};`],
    [/^( *)listen 8080;/m, `$1listen 127.0.0.1:${ports.status};`],
  ])
  return folder
}

function change(file: string, replacements: readonly (readonly [RegExp, string])[]): void {
  let text = readFileSync(file, 'utf8')
  for (const [pattern, replacement] of replacements) {
    if (!pattern.test(text)) throw new BenchError('CONTAINER_FAILED', `${file} has nothing like ${pattern}`)
    text = text.replace(pattern, replacement)
  }
  writeFileSync(file, text)
}
