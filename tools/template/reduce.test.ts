import t from 'tap'
import type { Part } from './part.ts'
import { reduceText } from './reduce.ts'

const part: Part = {
  name: 'mysql',
  summary: 'a database',
  paths: ['infra/mysql'],
  words: /mysql/i,
  names: ['mysql', 'MYSQL_URL'],
  titles: ['MySQL'],
}

const reduced = (path: string, text: string) => reduceText(path, text, part)

t.test('a container goes with its comment, the others stay', async (t) => {
  t.equal(
    reduced(
      'docker-compose.yml',
      `services:
  redis:
    image: redis:8

  # Slow to start.
  mysql:
    image: mysql:9
    ports: [3306]

  # Last.
  vault:
    image: vault
    depends_on: [redis, mysql]
`,
    ),
    `services:
  redis:
    image: redis:8

  # Last.
  vault:
    image: vault
    depends_on: [redis]
`,
  )
})

t.test('a comment above several lines stays with the lines that are left', async (t) => {
  t.equal(
    reduced('x.yml', 'env:\n  # URLs of all.\n  MYSQL_URL: a\n  REDIS_URL: b\n'),
    'env:\n  # URLs of all.\n  REDIS_URL: b\n',
  )
})

t.test('properties, declarations, elements and tests go', async (t) => {
  t.equal(
    reduced(
      'x.ts',
      `const all = ['redis', 'mysql', 'vault']
const sizes = {
  redis: 1,
  mysql: [
    [1, 2],
  ],
}

/** How to start it. */
const mysql = {
  image: 'mysql:9',
}

t.test('MySQL starts', async (t) => {
  t.pass()
})

t.test('Redis starts', async (t) => {
  run('mysql', '--help')
})
`,
    ),
    `const all = ['redis', 'vault']
const sizes = {
  redis: 1,
}

t.test('Redis starts', async (t) => {
  run('mysql', '--help')
})
`,
  )
})

t.test('marked blocks and lines go', async (t) => {
  t.equal(
    reduced('x.sh', 'a\n# part:mysql\nb\n# end:mysql\nc # part:mysql\nd # part:redis\n'),
    'a\nd # part:redis\n',
  )
  t.throws(() => reduced('x.sh', '# part:mysql\nb\n'), /does not end/)
})

t.test('documents lose sections, rows, items, sentences and names in enumerations', async (t) => {
  t.equal(
    reduced(
      'x.md',
      `# Systems

MySQL, MongoDB and Vault have health checks. The first is quick. MySQL is slow.

| system | port |
|---|---|
| MySQL | 3306 |
| Redis | 6379 |
| [their/project](https://github.com/their/project) | Fastify, Knex, MySQL |

## MySQL

Its own section.

### Below

More.

## Redis
It is quick. MySQL is not.

- one
- MySQL has two
- three. MySQL has four.
`,
    ),
    `# Systems

MongoDB and Vault have health checks. The first is quick.

| system | port |
|---|---|
| Redis | 6379 |
| [their/project](https://github.com/their/project) | Fastify, Knex, MySQL |

## Redis
It is quick.

- one
- three.
`,
  )
})
