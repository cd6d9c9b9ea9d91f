import { mkdtempSync, writeFileSync } from 'node:fs'
import { chmod, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type Container, docker, root, startContainer, untilReady } from './docker.ts'
import { differences, type Setting, settingsOf } from './settings-file.ts'

/** How a shipped file is given to its server, and how the server is asked what it took. */
export interface Server {
  image: string
  /** Of infra; the one that is read and compared. */
  file: string
  /** Its settings. */
  settings(text: string): Setting[]
  /** A typo that a person might make: another name in one line. */
  typo: [from: string, to: string]
  /** Starts the server with the file at `path` and says where it differs from it. Rejects when it does not start. */
  differences(path: string, settings: Setting[]): Promise<string[]>
}

const infra = join(root, 'infra')

/** Lends a folder with the passwords that every server here is content with. */
async function withSecrets<T>(use: (folder: string) => Promise<T>): Promise<T> {
  const folder = mkdtempSync(join(tmpdir(), 'reference-compose-'))
  try {
    for (const name of [
      'postgres',
      'reference',
      'reference_api',
      'pgbouncer',
      'pgbouncer_stats',
      'redis',
      'mysql_root',
      'mysql',
    ]) {
      writeFileSync(join(folder, `${name}_password`), `of-${name}`)
    }
    writeFileSync(join(folder, 'redis_auth.conf'), 'requirepass of-redis\nmasterauth of-redis\n')
    await chmod(folder, 0o755)
    return await use(folder)
  } finally {
    await rm(folder, { recursive: true })
  }
}

async function withContainer<T>(
  what: string,
  args: string[],
  use: (container: Container) => Promise<T>,
): Promise<T> {
  const container = await startContainer(what, args)
  try {
    return await use(container)
  } finally {
    await container.remove()
  }
}

const rows = (text: string) =>
  text
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => line.split('\t'))

const postgres: Server = {
  image: 'postgres:18',
  file: 'infra/postgres/postgresql.conf',
  settings: (text) => settingsOf(text, 'equals'),
  typo: ['work_mem =', 'work_men ='],
  differences: (path, settings) =>
    withSecrets((secrets) =>
      withContainer(
        'postgres',
        [
          ...['--shm-size', '160m', '-e', 'POSTGRES_PASSWORD_FILE=/run/secrets/postgres_password'],
          ...['-v', `${secrets}:/run/secrets:ro`, '-v', `${path}:/etc/postgresql/postgresql.conf:ro`],
          ...['-v', `${infra}/postgres/pg_hba.conf:/etc/postgresql/pg_hba.conf:ro`],
          ...['-v', `${infra}/postgres/init:/docker-entrypoint-initdb.d:ro`],
          'postgres:18',
          ...[
            'postgres',
            '--config_file=/etc/postgresql/postgresql.conf',
            '--hba_file=/etc/postgresql/pg_hba.conf',
          ],
        ],
        async (container) => {
          // By address: over the socket the server says 0 for the keep-alives of TCP.
          const query = (sql: string) =>
            container.exec(
              ...[
                'env',
                'PGPASSWORD=of-postgres',
                'psql',
                '-h',
                '127.0.0.1',
                '-U',
                'postgres',
                '-d',
                'reference',
              ],
              ...['-AtF', '\t', '-c', sql],
            )
          await untilReady(container, () => container.exec('pg_isready', '-q', '-h', '127.0.0.1'))
          const found = new Map(
            rows(await query("SELECT name, setting, coalesce(unit, '') FROM pg_settings")).map(
              ([name = '', value = '', unit = '']) => [name, { value, unit }],
            ),
          )
          const faults = await query(
            'SELECT name || error FROM pg_file_settings WHERE error IS NOT NULL ' +
              'UNION ALL SELECT line_number || error FROM pg_hba_file_rules WHERE error IS NOT NULL',
          )
          return [...differences(settings, (name) => found.get(name)), ...rows(faults).flat()]
        },
      ),
    ),
}

const pgbouncer: Server = {
  image: 'postgres:18',
  file: 'infra/pgbouncer/pgbouncer.ini',
  settings: (text) => settingsOf(text, 'equals', 'pgbouncer'),
  typo: ['default_pool_size =', 'default_pol_size ='],
  differences: (path, settings) =>
    withSecrets(async (secrets) => {
      const image = await pgbouncerImage()
      return withContainer(
        'pgbouncer',
        ['-v', `${secrets}:/run/secrets:ro`, '-v', `${path}:/etc/pgbouncer/pgbouncer.ini:ro`, image],
        async (container) => {
          // psql comes from the image of Postgres, in the same network.
          const query = (sql: string) =>
            docker([
              ...[
                'run',
                '--rm',
                '--network',
                `container:${container.name}`,
                '-e',
                'PGPASSWORD=of-pgbouncer_stats',
              ],
              ...[
                '--entrypoint',
                'psql',
                'postgres:18',
                '-h',
                '127.0.0.1',
                '-p',
                '6432',
                '-U',
                'pgbouncer_stats',
              ],
              ...['-d', 'pgbouncer', '-AtF', '\t', '-c', sql],
            ])
          const found = new Map(
            rows(await untilReady(container, () => query('SHOW CONFIG'))).map(([name = '', value = '']) => [
              name,
              { value },
            ]),
          )
          return differences(settings, (name) => found.get(name))
        },
      )
    }),
}

/** The tag of the compose file; built when it is not there. */
export async function pgbouncerImage(): Promise<string> {
  const image = 'reference/pgbouncer:1.24.1'
  await docker(['build', '--quiet', '--tag', image, 'infra/pgbouncer'], { seconds: 300 })
  return image
}

function redis(file: string, start: string[], settings: Server['settings'], typo: Server['typo']): Server {
  return {
    image: 'redis:8',
    file,
    settings,
    typo,
    differences: (path, wanted) =>
      withSecrets((secrets) =>
        withContainer(
          'redis',
          [
            ...['-v', `${secrets}:/run/secrets:ro`, '-v', `${infra}/redis:/usr/local/etc/redis:ro`],
            ...['-v', `${path}:/tmp/checked.conf:ro`, 'redis:8', ...start],
          ],
          async (container) => {
            const answer = await untilReady(container, async () => {
              const text = await container.exec(
                'redis-cli',
                '-a',
                'of-redis',
                '--no-auth-warning',
                'CONFIG',
                'GET',
                '*',
              )
              if (!text.startsWith('rdbchecksum') && !text.includes('\nmaxmemory\n')) throw new Error(text)
              return text
            })
            const lines = answer.split('\n')
            const found = new Map(
              lines.flatMap((name, i) => (i % 2 === 0 ? [[name, lines[i + 1] ?? '']] : [])),
            )
            return differences(wanted.map(asServer), (name) => {
              const [setting = '', part] = name.split(' ')
              const value = found.get(setting)
              if (value === undefined) return undefined
              return { value: part === undefined ? value : partOf(value, part) }
            })
          },
        ),
      ),
  }
}

/** As Redis says them: the three classes of clients in one line, sizes in bytes, and `""` for nothing. */
function asServer({ name, value }: Setting): Setting {
  if (value === '""') return { name, value: '' }
  if (name !== 'client-output-buffer-limit') return { name, value }
  const [kind = '', hard = '', soft = '', seconds = ''] = value.split(' ')
  const bytes = (size: string) => String(Number.parseInt(size, 10) * 2 ** 20)
  return {
    name: `${name} ${kind === 'replica' ? 'slave' : kind}`,
    value: `${bytes(hard)} ${bytes(soft)} ${seconds}`,
  }
}

function partOf(line: string, kind: string): string {
  const words = line.split(' ')
  const at = words.indexOf(kind)
  return words.slice(at + 1, at + 4).join(' ')
}

const mysql: Server = {
  image: 'mysql:9.7',
  file: 'infra/mysql/my.cnf',
  settings: (text) => settingsOf(text, 'equals', 'mysqld'),
  typo: ['innodb_buffer_pool_size =', 'innodb_bufer_pool_size ='],
  differences: (path, settings) =>
    withSecrets((secrets) =>
      withContainer(
        'mysql',
        [
          ...[
            '-e',
            'MYSQL_ROOT_PASSWORD_FILE=/run/secrets/mysql_root_password',
            '-e',
            'MYSQL_INITDB_SKIP_TZINFO=yes',
          ],
          ...[
            '-v',
            `${secrets}:/run/secrets:ro`,
            '-v',
            `${path}:/etc/mysql/conf.d/reference.cnf:ro`,
            'mysql:9.7',
          ],
        ],
        async (container) => {
          const query = (sql: string) =>
            container.exec('mysql', '-uroot', '-pof-mysql_root', '-h', '127.0.0.1', '-N', '-B', '-e', sql)
          const found = new Map(
            rows(await untilReady(container, () => query('SHOW GLOBAL VARIABLES'))).map(
              ([name = '', value = '']) => [name, { value }],
            ),
          )
          const [[x11 = ''] = []] = rows(
            await query("SELECT plugin_status FROM information_schema.plugins WHERE plugin_name = 'mysqlx'"),
          )
          found.set('mysqlx', { value: x11 === 'ACTIVE' ? 'ON' : 'OFF' })
          // The option that sets the variable time_zone.
          found.set('default_time_zone', found.get('time_zone') ?? { value: '' })
          return differences(settings, (name) => found.get(name))
        },
      ),
    ),
}

/** Where each key of rabbitmq.conf lies in the node's environment, as an Erlang expression that prints it. */
const rabbit = (app: string, path: string) => {
  const [first = '', ...rest] = path.split('/')
  const value = rest.reduce(
    (inner, key) => `proplists:get_value(${key}, ${inner})`,
    `element(2, application:get_env(${app}, ${first}))`,
  )
  return `io:format("~p", [${value}]).`
}
const rabbitKeys: Record<string, string> = {
  'listeners.tcp.default': 'io:format("~p", [hd(element(2, application:get_env(rabbit, tcp_listeners)))]).',
  'management.tcp.port': rabbit('rabbitmq_management', 'tcp_config/port'),
  'prometheus.tcp.port': rabbit('rabbitmq_prometheus', 'tcp_config/port'),
  'vm_memory_high_watermark.absolute':
    'io:format("~p", [element(2, rabbit_resource_monitor_misc:parse_information_unit(element(2, element(2, application:get_env(rabbit, vm_memory_high_watermark)))))]).',
  'disk_free_limit.absolute':
    'io:format("~p", [element(2, rabbit_resource_monitor_misc:parse_information_unit(element(2, application:get_env(rabbit, disk_free_limit))))]).',
  max_message_size: rabbit('rabbit', 'max_message_size'),
  heartbeat: rabbit('rabbit', 'heartbeat'),
  max_channels_per_connection: rabbit('rabbit', 'channel_max'),
  'tcp_listen_options.backlog': rabbit('rabbit', 'tcp_listen_options/backlog'),
  'tcp_listen_options.nodelay': rabbit('rabbit', 'tcp_listen_options/nodelay'),
  default_queue_type: rabbit('rabbit', 'default_queue_type'),
  consumer_timeout: rabbit('rabbit', 'consumer_timeout'),
  collect_statistics_interval: rabbit('rabbit', 'collect_statistics_interval'),
  'prometheus.return_per_object_metrics': rabbit('rabbitmq_prometheus', 'return_per_object_metrics'),
  'log.console': rabbit('rabbit', 'log/console/enabled'),
  'log.console.level': rabbit('rabbit', 'log/console/level'),
  'log.connection.level': rabbit('rabbit', 'log/categories/connection/level'),
}

const rabbitmq: Server = {
  image: 'rabbitmq:4.3-management',
  file: 'infra/rabbitmq/rabbitmq.conf',
  settings: (text) => settingsOf(text, 'equals'),
  typo: ['heartbeat =', 'heart_beat ='],
  differences: (path, settings) =>
    withContainer(
      'rabbitmq',
      [
        '--hostname',
        'rabbitmq',
        '-v',
        `${path}:/etc/rabbitmq/conf.d/20-reference.conf:ro`,
        ...['-v', `${infra}/rabbitmq/health.sh:/health.sh:ro`],
        'rabbitmq:4.3-management',
      ],
      async (container) => {
        // Not rabbitmqctl at once: as root it would make the cookie, which the server could not read then.
        await untilReady(container, () => container.exec('/health.sh'))
        await container.exec('rabbitmqctl', '-q', 'await_startup', '--timeout', '60')
        // All in one call: each starts an Erlang machine.
        const known = settings.filter(({ name }) => name in rabbitKeys)
        const script = known
          .map(({ name }) => `${rabbitKeys[name]?.replace(/\.$/, '')}, io:format("~n")`)
          .join(', ')
        const values = (await container.exec('rabbitmqctl', '-q', 'eval', `${script}.`)).split('\n')
        const found = new Map(known.map(({ name }, i) => [name, { value: values[i] ?? '' }]))
        const asErlang = settings.map(({ name, value }) => {
          if (name.endsWith('absolute')) return { name, value: rabbitBytes(value) }
          return { name, value: value === 'quorum' ? 'rabbit_quorum_queue' : value }
        })
        return differences(asErlang, (name) => found.get(name))
      },
    ),
}

/** RabbitMQ counts 1 GB as 10^9 and 1 GiB as 2^30. */
function rabbitBytes(value: string): string {
  const [, number = '', unit = ''] = /^(\d+)(MiB|GB|MB|GiB)$/.exec(value) ?? []
  const factors: Record<string, number> = { MB: 1e6, GB: 1e9, MiB: 2 ** 20, GiB: 2 ** 30 }
  return String(Number(number) * (factors[unit] ?? Number.NaN))
}

const words = (text: string) => settingsOf(text, 'words').filter(({ name }) => name !== 'include')

/** Every server that has an image without a licence of its own, with its shipped file. */
export const servers: Record<string, Server> = {
  postgres,
  pgbouncer,
  redis: redis(
    'infra/redis/redis.conf',
    ['redis-server', '/tmp/checked.conf', '--include', '/run/secrets/redis_auth.conf'],
    words,
    ['maxmemory-policy ', 'maxmemory-polcy '],
  ),
  'redis-cluster': redis(
    'infra/redis/redis-cluster.conf',
    ['redis-server', '/tmp/checked.conf', '--include', '/run/secrets/redis_auth.conf'],
    words,
    ['cluster-node-timeout ', 'cluster-node-timout '],
  ),
  mysql,
  rabbitmq,
}
