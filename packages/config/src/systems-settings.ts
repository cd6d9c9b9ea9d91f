import { integer, type Setting, text, url } from './setting.ts'

/** Settings of `packages/systems`, which can be removed with it. */
export const systemsSettings = {
  MYSQL_URL: url(['mysql:'], {
    description: 'MySQL, whose health /ready and /services show.',
    secret: true,
    fallback: undefined,
  }),
  // Not `url`: several hosts with ports are not a valid URL.
  MONGODB_URL: text(/^mongodb(\+srv)?:\/\/[^\s/]+(\/\S*)?$/, 'mongodb://host:port,host:port/database', {
    description: 'MongoDB, whose health /ready and /services show.',
    secret: true,
    fallback: undefined,
  }),
  RABBITMQ_URL: url(['amqp:', 'amqps:'], {
    description: 'RabbitMQ, whose health /ready and /services show.',
    secret: true,
    fallback: undefined,
  }),
  VAULT_ADDR: url(['http:', 'https:'], {
    path: /^\/?$/,
    description: 'Vault, whose health /ready and /services show; it holds VAULT_SECRET_PATH.',
    fallback: undefined,
  }),
  VAULT_SECRET_PATH: text(/^[^\s/]+\/\S*[^\s/]$/, 'mount/path of a KV v2 secret', {
    description:
      'Secret whose keys are names of settings; read once, at the start, for settings that the environment lacks.',
    fallback: undefined,
  }),
  VAULT_ROLE_ID: text(/^\S+$/, 'a role id', {
    description: 'AppRole that may read VAULT_SECRET_PATH.',
    fallback: undefined,
  }),
  VAULT_SECRET_ID: text(/^\S+$/, 'a secret id', {
    description: 'Secret id of that AppRole.',
    secret: true,
    fallback: undefined,
  }),
  VAULT_TIMEOUT_MS: integer({
    description: 'How long a start waits for an unavailable Vault; then it ends with exit code 75.',
    unit: 'ms',
    minimum: 0,
    maximum: 600_000,
    fallback: 15_000,
  }),
} satisfies Record<string, Setting>
