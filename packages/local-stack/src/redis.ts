import { copyFile, rm } from 'node:fs/promises'
import { connect } from 'node:net'
import { join } from 'node:path'
import { REPOSITORY_ROOT } from '@reference/cli'
import { freePort } from './free-port.ts'
import { type GuardedServer, startGuarded } from './guard.ts'
import { findRedisServer } from './redis-binary.ts'
import { serverFolder, serverUser } from './server-user.ts'
import { startServer } from './start-server.ts'

export interface RedisOptions {
  /** A free port unless given. */
  port?: number
  /** Settings over those of infra's redis.conf, such as `{ maxmemory: '64mb' }`; sent as `--name value`. */
  settings?: Record<string, string>
  /** Settings that are ports, such as `tls-port`: each gets a free one, and another one at each attempt to start. */
  portSettings?: readonly string[]
  /** Where temporary folders are made. */
  dir?: string
  /** The server's program; looked for on PATH unless given. */
  program?: string
}

export interface RedisServer {
  url: string
  port: number
  /** The ports of {@link RedisOptions.portSettings}. */
  ports: Readonly<Record<string, number>>
  pid: number
  /** Settles when the server has ended. */
  exited: Promise<number>
  stop(): Promise<void>
}

/** The file that the container mounts. */
export const REDIS_CONFIG_FILE = join(REPOSITORY_ROOT, 'infra/redis/redis.conf')

/** Starts a Redis or Valkey on 127.0.0.1 with infra's redis.conf; it ends with this process. */
export async function startRedis(options: RedisOptions = {}): Promise<RedisServer> {
  const program = options.program ?? (await findRedisServer())
  const user = serverUser()
  const folder = await serverFolder(user, 'redis', options.dir)
  try {
    const config = join(folder, 'redis.conf')
    await copyFile(REDIS_CONFIG_FILE, config)
    const logFile = join(folder, 'redis.log')
    let ports: Record<string, number> = {}
    const { server, port } = await startServer({
      name: 'Redis',
      logFile,
      ...(options.port === undefined ? {} : { port: options.port }),
      start: async (port) => {
        ports = await freePorts(options.portSettings ?? [])
        return startGuarded({
          command: program,
          args: [
            config,
            ...flags({
              port: String(port),
              bind: '127.0.0.1',
              dir: folder,
              daemonize: 'no',
              ...ports,
              ...options.settings,
            }),
          ],
          // No data is kept.
          stopSignal: 'KILL',
          log: logFile,
          deleteFolder: folder,
          ...(user === undefined ? {} : { user }),
        })
      },
      isReady: (port, server) => answersAs(port, server),
    })
    return {
      url: `redis://127.0.0.1:${port}`,
      port,
      ports,
      pid: server.pid,
      exited: server.exited,
      stop: server.stop,
    }
  } catch (error) {
    await rm(folder, { recursive: true, force: true })
    throw error
  }
}

async function freePorts(names: readonly string[]): Promise<Record<string, number>> {
  return Object.fromEntries(await Promise.all(names.map(async (name) => [name, await freePort()] as const)))
}

const flags = (settings: Record<string, string | number>): string[] =>
  Object.entries(settings).flatMap(([name, value]) => [`--${name}`, String(value)])

/** Compares the pid, since another server may answer on a port that was free a moment ago. */
async function answersAs(port: number, server: GuardedServer): Promise<boolean> {
  const answer = await new Promise<string>((resolve) => {
    const socket = connect(port, '127.0.0.1')
    let text = ''
    const done = () => {
      socket.destroy()
      resolve(text)
    }
    socket.setEncoding('utf8').setTimeout(1000, done)
    socket.once('connect', () => socket.write('INFO server\r\n'))
    socket.on('data', (chunk: string) => {
      text += chunk
      if (text.includes('process_id:') && text.includes('config_file:')) done()
    })
    socket.once('error', done).once('close', done)
  })
  return answer.includes(`process_id:${server.pid}\r\n`)
}
