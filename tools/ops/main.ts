import { runCommand } from '@reference/cli'

await runCommand('pnpm ops', {
  summary: 'Look into the running systems.',
  commands: {
    redis: {
      summary: 'Servers, memory, hits and slots of Redis.',
      load: async () => (await import('@reference/probes/commands')).redisCommand,
    },
    jobs: {
      summary: 'Durable jobs and dead letters: list, retry, cancel.',
      load: async () => (await import('@reference/jobs/commands')).jobsCommand,
    },
    postgres: {
      summary: 'Slow statements and query plans of Postgres.',
      commands: {
        slow: {
          summary: 'List the statements that cost Postgres most.',
          load: async () => (await import('@reference/database/commands')).slowCommand,
        },
        explain: {
          summary: "Show how Postgres runs the services' own statements.",
          load: async () => (await import('@reference/shop/commands')).explainCommand,
        },
      },
    },
    mysql: {
      summary: 'Slow statements of MySQL.',
      commands: {
        slow: {
          summary: 'List the statements that cost MySQL most.',
          load: async () => (await import('@reference/systems/commands')).mysqlSlowCommand,
        },
      },
    },
    mongodb: {
      summary: 'Slow operations of MongoDB.',
      commands: {
        slow: {
          summary: 'List slow operations of MongoDB and the use of its indexes.',
          load: async () => (await import('@reference/systems/commands')).mongodbSlowCommand,
        },
      },
    },
  },
})
