import { action, flag, formatTable, integer, runCommand, SettingsError } from '@reference/cli'
import { readSettings } from '@reference/config'
import type { Db, Document } from 'mongodb'

const DETAILS = `
Slow operations are read from the server's log in memory (getLog, the last 1024 lines; operationProfiling.slowOpThresholdMs
decides what is slow) and, where the profiler is on, from system.profile. The plan COLLSCAN used no index. The use of each
index is from $indexStats.

Of MONGODB_URL, or MONGODB_URL_FILE, with its database; the user needs clusterMonitor and read.
Exit code 0, 1 when it failed, 64 for wrong arguments, 78 for wrong settings.
`

const CONNECT_TIMEOUT_MS = 5000

/** Id of "Slow query" in the structured log. */
const SLOW_QUERY = 51803

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

export const mongodbSlowCommand = action({
  summary: 'List slow operations of MongoDB and the use of its indexes.',
  options: {
    limit: integer({ help: 'slow operations', minimum: 1, maximum: 9999, fallback: 20 }),
    indexes: flag({ help: 'only the use of each index of the database' }),
    json: flag({ help: 'for programs' }),
  },
  details: DETAILS,
  async run({ limit, indexes: onlyIndexes, json }) {
    const { MONGODB_URL: url } = readSettings(['MONGODB_URL'])
    if (url === undefined) throw new SettingsError('MONGODB_URL must be set')
    const { MongoClient } = await import('mongodb')
    const client = new MongoClient(url, {
      maxPoolSize: 2,
      serverSelectionTimeoutMS: CONNECT_TIMEOUT_MS,
      appName: 'mongodb-slow',
    })
    try {
      const database = client.db()
      const operations = onlyIndexes ? [] : await slowOperations(database, limit)
      const indexes = await indexUse(database)
      const tables = `${onlyIndexes ? '' : `${operationTable(operations)}\n`}${indexTable(indexes)}`
      process.stdout.write(json ? `${JSON.stringify({ operations, indexes }, null, 2)}\n` : tables)
      return 0
    } finally {
      await client.close()
    }
  },
})

if (import.meta.main) await runCommand('pnpm ops mongodb slow', mongodbSlowCommand)

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

function fromLog(line: string): SlowOperation | undefined {
  const { id, attr } = JSON.parse(line) as { id?: number; attr?: Document }
  if (id !== SLOW_QUERY || attr === undefined) return undefined
  return { ...figuresOf(attr), ms: Number(attr.durationMillis), source: 'log' }
}

function fromProfile(entry: Document): SlowOperation {
  return { ...figuresOf(entry), ms: Number(entry.millis), source: 'profile' }
}

function figuresOf(entry: Document) {
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
  if (operations.length === 0) return 'Neither the log nor the profile has a slow operation\n'
  return formatTable(
    ['ms', 'collection', 'plan', 'examined', 'returned', 'from', 'command'],
    operations.map((operation) => [
      ...[operation.ms, operation.namespace, operation.plan, operation.examined, operation.returned],
      ...[operation.source, operation.command],
    ]),
  )
}

function indexTable(indexes: IndexUse[]): string {
  if (indexes.length === 0) return 'This database has no collection\n'
  return formatTable(
    ['collection', 'index', 'uses', 'since'],
    indexes.map(({ collection, index, uses, since }) => [collection, index, uses, since]),
  )
}
