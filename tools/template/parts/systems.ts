import type { Part } from '../part.ts'

/** One test of MySQL and RabbitMQ, which also expects the rows of the others. */
const REAL_SYSTEMS = ['tests/systems']

/** What the four have in common: the package, its place in the services, and the profile of docker-compose.yml. */
export const systems: Part = {
  name: 'systems',
  summary: 'MySQL, MongoDB, RabbitMQ and Vault: health, look-ups, containers',
  paths: ['packages/systems', 'packages/config/src/systems-settings.ts'],
  shared: REAL_SYSTEMS,
  words: /@reference\/systems|packages\/systems|createSystems|systemSettings|systemsSettings|profile systems/,
  names: ['systems'],
  members: ['mysql', 'mongodb', 'rabbitmq', 'vault'],
  edits: [
    {
      files: 'services/*/src/app.ts',
      replace: [
        [/\n.*createSystems\(systemSettings\(.*\)\)/g, ''],
        [/,\s*\.\.\.systems\.dependencies/g, ''],
        [/, systems\.close\(\)/g, ''],
      ],
    },
    { files: 'packages/config/src/settings.ts', replace: [[/ {2}\.\.\.systemsSettings,\n\n/g, '']] },
    { files: 'docker-compose.yml', lines: [/--profile systems/, /packages\/systems\/src/] },
    { files: 'infra/all.env', replace: [[/=systems,/g, '=']] },
    { files: 'infra/README.md', lines: [/--profile systems/] },
  ],
}

export const mysql: Part = {
  name: 'mysql',
  summary: 'MySQL: health, slow statements, container, dashboard, alerts',
  paths: ['packages/systems/src/mysql.ts', 'packages/systems/src/commands/mysql-slow.ts', 'infra/mysql'],
  shared: REAL_SYSTEMS,
  words: /mysql/i,
  names: [
    ...['mysql', 'mysql2', 'mysql-slow', 'mysqlUrl', 'MYSQL_URL', 'MYSQL_PORT', 'observability-mysql'],
    ...['mysqld-exporter', 'mysql_root', 'mysql_exporter_password', 'mysql_root_password'],
  ],
  titles: ['MySQL', 'mysql2'],
  edits: [
    { files: 'packages/config/src/misspelt.test.ts', lines: [/^ {4}MYSQL_HOST/] },
    { files: 'tools/infra/diff/rules.ts', replace: [[/ \| 'mysql'/, '']] },
    {
      files: 'tools/infra/diff.ts',
      replace: [
        [/\|mysql:\/\/…/, ''],
        [/infra\/postgres, infra\/redis or infra\/mysql/, 'infra/postgres or infra/redis'],
        [/, SHOW GLOBAL VARIABLES/, ''],
      ],
    },
    { files: 'infra/all.env', replace: [[/,observability-mysql/, '']] },
  ],
}

export const mongodb: Part = {
  name: 'mongodb',
  summary: 'MongoDB: health, slow operations, container, dashboard, alerts',
  paths: [
    'packages/systems/src/mongodb.ts',
    'packages/systems/src/commands/mongodb-slow.ts',
    'infra/mongodb',
  ],
  words: /mongo/i,
  names: [
    'mongodb',
    'mongodb-slow',
    'mongodbUrl',
    'MONGODB_URL',
    'MONGODB_PORT',
    'MONGO_URL',
    'observability-mongodb',
  ],
  titles: ['MongoDB', 'mongodb'],
  shared: REAL_SYSTEMS,
  edits: [
    { files: 'packages/config/src/misspelt.test.ts', lines: [/^ {4}MONGO_HOST/] },
    { files: 'tests/infra/size.test.ts', names: ['unknown'] },
    { files: 'tests/observability/expressions.ts', replace: [[/\(mongodb_\|/, '(']] },
  ],
}

export const rabbitmq: Part = {
  name: 'rabbitmq',
  summary: 'RabbitMQ: health, container, dashboard, alerts',
  paths: ['packages/systems/src/rabbitmq.ts', 'infra/rabbitmq'],
  shared: REAL_SYSTEMS,
  words: /rabbit|amqp/i,
  names: [
    'rabbitmq',
    'rabbit',
    'rabbitKeys',
    'rabbitBytes',
    'amqplib',
    'rabbitmqUrl',
    'RABBITMQ_URL',
    'RABBITMQ_PORT',
    'RABBITMQ_MANAGEMENT_PORT',
  ],
  titles: ['RabbitMQ', 'amqplib'],
  edits: [{ files: 'packages/config/src/misspelt.test.ts', lines: [/^ {4}RABBITMQ_HOST/] }],
}

export const vault: Part = {
  name: 'vault',
  summary: 'Vault: health, secrets at start, container',
  paths: [
    'packages/systems/src/vault.ts',
    'packages/systems/src/vault-secret.ts',
    'packages/systems/src/secrets.ts',
    'packages/systems/src/secrets.test.ts',
    'infra/vault',
  ],
  words: /vault/i,
  names: [
    ...['vault', 'vaultAddress', 'VAULT_ADDR', 'VAULT_SECRET_PATH', 'VAULT_ROLE_ID', 'VAULT_SECRET_ID'],
    ...['VAULT_TIMEOUT_MS', 'VAULT_THRESHOLD_MS', 'VAULT_PORT'],
  ],
  shared: REAL_SYSTEMS,
  titles: ['Vault'],
  edits: [
    {
      files: '{services/*,packages/local-stack}/src/**/*.ts',
      replace: [
        [/^import \{ withVaultSecretsOrExit \} from .*\n/gm, ''],
        [/await withVaultSecretsOrExit\(\)/g, 'process.env'],
        [/await withVaultSecretsOrExit\((\w+\(\))\)/g, '$1'],
      ],
    },
    {
      files: 'packages/{cli,local-stack}/src/**/*.ts',
      replace: [
        [/ \|\| environment\.VAULT_SECRET_PATH/, ''],
        [/, with the secrets of Vault$/m, ''],
        [/, or by VAULT_SECRET_PATH/, ''],
        [/ 75 when Vault is unavailable,/, ''],
      ],
    },
    { files: 'packages/config/src/misspelt.test.ts', lines: [/^ {4}VAULT_TOKEN/] },
  ],
}
