import t from 'tap'
import {
  batchesStatements,
  holdsSessions,
  pipelinesCommands,
  statementsAtMost,
  statementsBelow,
  statementsPerRequest,
  usesRedis,
  writesOutbox,
} from './database.ts'
import { logsRequests, opensConnections } from './process.ts'
import type { Observations, Proof, Target } from './proof.ts'
import { answeredFrom, answers, encodedAs, hitRatio } from './replies.ts'
import { throughNginx, throughPgbouncer } from './sidecars.ts'

const observed: Observations = {
  cache: { l1: 50 },
  loadCache: { l1: 990, miss: 10 },
  encoding: { gzip: 50 },
  status: { '200': 50 },
  server: { nginx: 50 },
  costs: {
    statements: 1,
    commands: 0,
    statementsByText: { 'SELECT 1': 1 },
    commandsByName: {},
    redisBytes: 0,
  },
  load: { answered: 5000, statements: 1.01, commands: 0 },
  loadReadsPerRequest: 0.1,
  connectionsPerRequest: 0.02,
  logBytesPerRequest: 0,
  sidecar: {},
  sessions: 30,
}
const target = { databaseUrl: 'postgres://x@127.0.0.1:5432/reference' } as Target

t.test('each proof accepts matching observations and rejects the opposite', async (t) => {
  const pooled = { transactions: 0.3, parsed: 0.001, bound: 1 }
  const throughProxy = { requests: 1, connections: 0.01 }
  const cases: [Proof, Partial<Observations>, Partial<Observations>][] = [
    [answers(200), {}, { status: { '200': 49, '503': 1 } }],
    [answeredFrom('l1'), {}, { loadCache: { l1: 90, miss: 10 } }],
    [answeredFrom('l1'), {}, { cache: {} }],
    [hitRatio([0.95, 1]), {}, { loadCache: { l1: 900, miss: 100 } }],
    [hitRatio([0.95, 1]), {}, { loadCache: {} }],
    [hitRatio([0.5, 0.9]), { loadCache: { l1: 500, l2: 200, miss: 300 } }, {}],
    [hitRatio([0.9, 1], { l1: [0.9, 1] }), {}, { loadCache: { l1: 500, l2: 500 } }],
    [hitRatio([0.9, 1], { l2: [0.3, 0.7] }), { loadCache: { l1: 500, l2: 500 } }, {}],
    [encodedAs('gzip'), {}, { encoding: { gzip: 49, identity: 1 } }],
    [statementsPerRequest(1), {}, { load: { answered: 5000, statements: 2, commands: 0 } }],
    [
      statementsAtMost(1),
      { load: { answered: 5000, statements: 0.2, commands: 0 } },
      { costs: { ...observed.costs, statements: 2 } },
    ],
    [statementsAtMost(1), {}, { load: { answered: 5000, statements: 1.2, commands: 0 } }],
    [batchesStatements(true), { load: { answered: 5000, statements: 0.2, commands: 0 } }, {}],
    [batchesStatements(false), {}, { load: { answered: 5000, statements: 0.2, commands: 0 } }],
    [
      statementsBelow(1),
      { load: { answered: 5000, statements: 0.2, commands: 0 } },
      { load: { answered: 5000, statements: 3, commands: 0 } },
    ],
    [usesRedis(false), {}, { load: { answered: 5000, statements: 1, commands: 1 } }],
    [usesRedis(true), { load: { answered: 5000, statements: 1, commands: 0.5 } }, {}],
    [pipelinesCommands(true), {}, { loadReadsPerRequest: 1 }],
    [opensConnections(false), {}, { connectionsPerRequest: 3 }],
    [logsRequests(false), {}, { logBytesPerRequest: 300 }],
    [holdsSessions(30), {}, { sessions: 31 }],
    [
      writesOutbox(false),
      {},
      { costs: { ...observed.costs, statementsByText: { 'INSERT INTO cache_outbox …': 1 } } },
    ],
    [throughPgbouncer('prepared'), { sidecar: pooled }, { sidecar: { ...pooled, bound: 0 } }],
    [throughPgbouncer('prepared'), { sidecar: pooled }, {}],
    [throughPgbouncer('unprepared'), { sidecar: { ...pooled, bound: 0 } }, { sidecar: pooled }],
    [throughPgbouncer('direct'), {}, { sidecar: pooled }],
    [throughNginx('kept alive'), { sidecar: throughProxy }, { sidecar: { requests: 1, connections: 1 } }],
    [throughNginx('one each'), { sidecar: { requests: 1, connections: 1 } }, { sidecar: throughProxy }],
    [throughNginx('direct'), { server: { none: 50 } }, {}],
  ]
  for (const [proof, good, bad] of cases) {
    t.type(await proof({ ...observed, ...good }, target), 'string')
    await t.rejects(async () => proof({ ...observed, ...bad }, target), { code: 'UNPROVEN' })
  }
})
