import { globSync, readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import t from 'tap'
import { misspeltSettings, settings, warnOfMisspelt } from './index.ts'

const root = fileURLToPath(new URL('../../../', import.meta.url))

const settingOf = (name: string) => misspeltSettings({ [name]: 'x' })[0]?.setting

t.test('a typing error in the name of a setting is found', async (t) => {
  for (const [name, setting] of [
    ['CHACHE_L1', 'CACHE_L1'],
    ['CAHCE_L1', 'CACHE_L1'],
    ['CACHE_L11', 'CACHE_L1'],
    ['CACHEL1', 'CACHE_L1'],
    ['CACHE__L1', 'CACHE_L1'],
    ['DATABSE_URL', 'DATABASE_URL'],
    ['DATABASE_URI', 'DATABASE_URL'],
    ['DATBASE_ULR', 'DATABASE_URL'],
    ['MONGO_URL', 'MONGODB_URL'],
    ['AUTH_TOKEN', 'AUTH_TOKENS'],
    ['REDIS_URI', 'REDIS_URL'],
    ['REDIS_CLUSTER_NODE', 'REDIS_CLUSTER_NODES'],
    ['METRCIS', 'METRICS'],
    ['COMPRESION', 'COMPRESSION'],
  ] as const) {
    t.equal(settingOf(name), setting, name)
  }
})

t.test('other spellings, a file form and a missing unit are found', async (t) => {
  for (const [name, setting] of [
    ['cache_l1', 'CACHE_L1'],
    ['Cache-L1', 'CACHE_L1'],
    ['cache.l1', 'CACHE_L1'],
    ['port', 'PORT'],
    ['redis-url', 'REDIS_URL'],
    ['DATABASE_URL_FLIE', 'DATABASE_URL_FILE'],
    ['DATABSE_URL_FILE', 'DATABASE_URL_FILE'],
    ['database_url_file', 'DATABASE_URL_FILE'],
    ['SHUTDOWN_TIMEOUT', 'SHUTDOWN_TIMEOUT_MS'],
    ['CACHE_TTL', 'CACHE_TTL_SECONDS'],
    ['RATE_LIMIT', 'RATE_LIMIT_RPS'],
  ] as const) {
    t.equal(settingOf(name), setting, name)
  }
})

t.test(
  'each setting with one character missing or two swapped is found, unless it is a short word',
  async (t) => {
    for (const name of Object.keys(settings).filter(({ length }) => length >= 6)) {
      for (let i = 0; i < name.length - 1; i++) {
        const shorter = name.slice(0, i) + name.slice(i + 1)
        const swapped = name.slice(0, i) + name.charAt(i + 1) + name.charAt(i) + name.slice(i + 2)
        for (const slip of [shorter, swapped]) {
          if (slip in settings || slip === name) continue
          if (settingOf(slip) === undefined) t.fail(`${slip} for ${name}`)
        }
      }
    }
  },
)

t.test('common names are not reported', async (t) => {
  // Of shells, desktops, CI, Kubernetes, cloud platforms, and of the servers that stand beside.
  const names =
    `PATH HOME USER LOGNAME SHELL TERM LANG LANGUAGE LC_ALL LC_CTYPE TZ PWD OLDPWD SHLVL EDITOR PAGER MAIL DISPLAY
    HOSTNAME HOSTTYPE HOSTS PORTS OSTYPE MACHTYPE TMPDIR TEMP TMP COLORTERM COLUMNS LINES LS_COLORS LESS SSH_AUTH_SOCK SSH_TTY
    XDG_RUNTIME_DIR XDG_SESSION_ID DBUS_SESSION_BUS_ADDRESS GPG_AGENT_INFO SUDO_USER SUDO_UID PS1 IFS HISTFILE INVOCATION_ID
    JOURNAL_STREAM SYSTEMD_EXEC_PID MEMORY_PRESSURE_WATCH NOTIFY_SOCKET LISTEN_FDS LISTEN_PID CREDENTIALS_DIRECTORY
    CI GITHUB_ACTIONS GITHUB_TOKEN GITHUB_SHA GITLAB_CI CI_COMMIT_SHA CI_JOB_ID CI_REGISTRY BUILD_NUMBER BUILD_ID BUILD_URL JOB_NAME
    JOB_ID WORKSPACE JENKINS_URL NODE_NAME NODE_PATH NODE_OPTIONS NODE_VERSION NODE_EXTRA_CA_CERTS NODE_TLS_REJECT_UNAUTHORIZED
    YARN_VERSION UV_THREADPOOL_SIZE NPM_TOKEN npm_config_registry npm_lifecycle_event npm_package_name npm_config_cache INIT_CWD
    PNPM_HOME COREPACK_HOME NVM_DIR JAVA_HOME GOPATH PYTHONPATH VIRTUAL_ENV DEBUG VERBOSE FORCE_COLOR NO_COLOR LOG_FILE LOG_FORMAT
    LOG_LEVELS LOGLEVEL_ROOT HTTP_PROXY HTTPS_PROXY NO_PROXY http_proxy https_proxy no_proxy ALL_PROXY SSL_CERT_FILE SSL_CERT_DIR
    KUBERNETES_SERVICE_HOST KUBERNETES_SERVICE_PORT KUBERNETES_PORT
    POD_NAME POD_NAMESPACE POD_IP NODE_IP REDIS_PORT REDIS_HOST
    REDIS_SERVICE_HOST REDIS_SERVICE_PORT REDIS_PORT_6379_TCP REDIS_DB REDIS_SSL REDIS_TLS REDIS_USER POSTGRES_PORT POSTGRES_HOST
    POSTGRES_USER POSTGRES_PASSWORD POSTGRES_DB PGHOST PGPORT PGUSER PGPASSWORD PGDATABASE PGSSLMODE DATABASE_HOST DATABASE_PORT
    DATABASE_NAME DATABASE_USER DATABASE_PASSWORD DB_HOST DB_PORT DB_NAME DB_USER DB_PASSWORD DB_POOL_MIN
    MYSQL_HOST MYSQL_SSL MYSQL_ROOT_PASSWORD MYSQL_DATABASE
    MONGO_HOST MONGODB_SSL
    RABBITMQ_HOST RABBITMQ_DEFAULT_USER
    VAULT_TOKEN VAULT_CACERT VAULT_NAMESPACE VAULT_SKIP_VERIFY
    OTEL_EXPORTER_OTLP_ENDPOINT OTEL_SERVICE_NAME OTEL_RESOURCE_ATTRIBUTES OTEL_TRACES_SAMPLER SENTRY_DSN
    AWS_REGION AWS_ACCESS_KEY_ID AWS_ROLE_ARN GOOGLE_APPLICATION_CREDENTIALS AZURE_CLIENT_ID DYNO FLY_REGION RENDER K_SERVICE
    K_REVISION WEB_CONCURRENCY WEBSITE_HOSTNAME ECS_CONTAINER_METADATA_URI DOCKER_HOST DOCKER_BUILDKIT COMPOSE_PROJECT_NAME
    COMPOSE_PROFILES ORIGIN DOMAIN URL SECRET TOKEN API_KEY HTTP_PORT HTTPS_PORT ADDRESS REGION STAGE ENVIRONMENT ENV APP_ENV VERSION _`
      .split(/\s+/)
      .filter((name) => name !== '')
  t.same(misspeltSettings(Object.fromEntries(names.map((name) => [name, 'x']))), [])
})

t.test(
  'the environments of the compose files, the images and this test run have no misspelt setting',
  async (t) => {
    const files = globSync('{docker-compose*.yml,Dockerfile,infra/kubernetes/**/*.yaml}', { cwd: root })
    const texts = files.map((file) => readFileSync(`${root}${file}`, 'utf8'))
    const names = texts.flatMap((text) => text.match(/\b[A-Z][A-Z0-9]*(_[A-Z0-9]+)+\b/g) ?? [])
    t.ok(names.includes('DATABASE_URL_FILE'))
    t.same(misspeltSettings(Object.fromEntries(names.map((name) => [name, 'x']))), [])
    t.same(misspeltSettings(process.env), [])
  },
)

t.test('a setting, its file form and an empty variable are not misspelt', async (t) => {
  for (const name of Object.keys(settings)) {
    t.equal(settingOf(name), undefined, name)
    t.equal(settingOf(`${name}_FILE`), undefined, `${name}_FILE`)
  }
  t.same(misspeltSettings({ CHACHE_L1: '', CHACHE_L2: undefined }), [])
})

t.test('the warning names both and contains no value', async (t) => {
  const lines: unknown[] = []
  warnOfMisspelt({ warn: (...line) => lines.push(line) }, { DATABSE_URL: 'postgres://app:hunter2@db/app' })
  t.equal(lines.length, 1)
  t.match(JSON.stringify(lines), /DATABSE_URL.*DATABASE_URL/)
  t.notMatch(JSON.stringify(lines), /hunter2/)
})
