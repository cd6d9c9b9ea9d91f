import { parseArgs } from 'node:util'
import { argumentsOf, runCommand, SettingsError, table, UsageError } from '@reference/command'
import { readSettings } from '@reference/config'
import type { Db, Document } from 'mongodb'

const help = `mongodb:slow - slow operations of MongoDB, and which indexes are used

  pnpm mongodb:slow [--limit N] [--indexes] [--json] [--help]

  --limit      so many slow operations; 20
  --indexes    only the use of each index of the database ($indexStats)

Slow operations are read from the server's log in memory (getLog, the last 1024 lines; operationProfiling.slowOpThresholdMs
decides what is slow) and, where the profiler is on, from system.profile. "plan" is COLLSCAN where no index served.

Of MONGODB_URL, or MONGODB_URL_FILE, with its database; the user needs clusterMonitor and read.
Exit code 0, or 1 when it failed, 64 for wrong arguments, 78 for wrong settings.
`

interface SlowOperation {
  ms: number
  namespace: string
  plan: string
  examined: number
  returned: number
  command: string
  source: 'log' | 'profile'
}

interface IndexUse {
  collection: string
  index: string
  uses: number
  since: string
}

await runCommand(help, async () => {
  const { values } = parseArgs({
    args: argumentsOf(),
    options: {
      limit: { type: 'string', default: '20' },
      indexes: { type: 'boolean', default: false },
      json: { type: 'boolean', default: false },
      help: { type: 'boolean', short: 'h', default: false },
    },
  })
  if (values.help) {
    process.stdout.write(help)
    return 0
  }
  if (!/^[1-9]\d{0,3}$/.test(values.limit)) throw new UsageError('--limit is from 1 to 9999')
  const { MONGODB_URL: url } = readSettings(['MONGODB_URL'])
  if (url === undefined) throw new SettingsError('MONGODB_URL must be set')

  const { MongoClient } = await import('mongodb')
  const client = new MongoClient(url, {
    maxPoolSize: 2,
    serverSelectionTimeoutMS: 5_000,
    appName: 'mongodb-slow',
  })
  try {
    const database = client.db()
    const operations = values.indexes ? [] : await slowOperations(database, Number(values.limit))
    const indexes = await indexUse(database)
    if (values.json) process.stdout.write(`${JSON.stringify({ operations, indexes }, null, 2)}\n`)
    else
      process.stdout.write(`${values.indexes ? '' : `${operationTable(operations)}\n`}${indexTable(indexes)}`)
    return 0
  } finally {
    await client.close()
  }
})

async function slowOperations(database: Db, limit: number): Promise<SlowOperation[]> {
  const { log = [] } = await database.admin().command({ getLog: 'global' })
  const logged = (log as string[]).flatMap((line) => fromLog(line) ?? [])
  const profiled = await database
    .collection('system.profile')
    .find({ ns: { $not: /\.system\.profile$/ } })
    .sort({ millis: -1 })
    .limit(limit)
    .toArray()
  return [...logged, ...profiled.map(fromProfile)]
    .filter(({ namespace }) => namespace.startsWith(`${database.databaseName}.`))
    .sort((a, b) => b.ms - a.ms)
    .slice(0, limit)
}

/** A line of the structured log; 51803 is the id of "Slow query". */
function fromLog(line: string): SlowOperation | undefined {
  const { id, attr } = JSON.parse(line) as { id?: number; attr?: Document }
  if (id !== 51803 || attr === undefined) return undefined
  return { ...figures(attr), ms: Number(attr.durationMillis), source: 'log' }
}

function fromProfile(entry: Document): SlowOperation {
  return { ...figures(entry), ms: Number(entry.millis), source: 'profile' }
}

function figures(entry: Document) {
  return {
    namespace: String(entry.ns),
    plan: String(entry.planSummary ?? '–'),
    examined: Number(entry.docsExamined ?? 0),
    returned: Number(entry.nreturned ?? 0),
    command: JSON.stringify(entry.command ?? {}).slice(0, 120),
  }
}

async function indexUse(database: Db): Promise<IndexUse[]> {
  const collections = await database.listCollections({ type: 'collection' }).toArray()
  const uses = await Promise.all(
    collections
      .filter(({ name }) => !name.startsWith('system.'))
      .map(async ({ name }) => {
        const stats = await database
          .collection(name)
          .aggregate([{ $indexStats: {} }])
          .toArray()
        return stats.map((index) => ({
          collection: name,
          index: String(index.name),
          uses: Number(index.accesses?.ops ?? 0),
          since: String(index.accesses?.since?.toISOString?.() ?? '–'),
        }))
      }),
  )
  return uses.flat().sort((a, b) => a.collection.localeCompare(b.collection) || a.uses - b.uses)
}

function operationTable(operations: SlowOperation[]): string {
  if (operations.length === 0) return 'No slow operation in the log or the profile\n'
  return table(
    ['ms', 'collection', 'plan', 'examined', 'returned', 'from', 'command'],
    operations.map((operation) => [
      ...[operation.ms, operation.namespace, operation.plan, operation.examined, operation.returned],
      ...[operation.source, operation.command],
    ]),
  )
}

function indexTable(indexes: IndexUse[]): string {
  if (indexes.length === 0) return 'No collection in this database\n'
  return table(
    ['collection', 'index', 'uses', 'since'],
    indexes.map(({ collection, index, uses, since }) => [collection, index, uses, since]),
  )
}
