import t from 'tap'
import type { Evidence, Proof, Subject } from './proof.ts'
import {
  answeredFrom,
  answers,
  encodedAs,
  holdsSessions,
  logsRequests,
  opensConnections,
  pipelinesCommands,
  statementsPerRequest,
  throughNginx,
  throughPgbouncer,
  usesRedis,
  writesOutbox,
} from './proofs.ts'

const evidence: Evidence = {
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
  companion: {},
  sessions: 30,
}
const subject = { databaseUrl: 'postgres://x@127.0.0.1:5432/reference' } as Subject

t.test('each proof holds with what speaks for it, and with the opposite nothing counts', async (t) => {
  const pooled = { transactions: 0.3, parsed: 0.001, bound: 1 }
  const throughProxy = { requests: 1, connections: 0.01 }
  const cases: [Proof, Partial<Evidence>, Partial<Evidence>][] = [
    [answers(200), {}, { status: { '200': 49, '503': 1 } }],
    [answeredFrom('l1'), {}, { loadCache: { l1: 90, miss: 10 } }],
    [answeredFrom('l1'), {}, { cache: {} }],
    [encodedAs('gzip'), {}, { encoding: { gzip: 49, identity: 1 } }],
    [statementsPerRequest(1), {}, { load: { answered: 5000, statements: 2, commands: 0 } }],
    [usesRedis(false), {}, { load: { answered: 5000, statements: 1, commands: 1 } }],
    [usesRedis(true), { load: { answered: 5000, statements: 1, commands: 0.5 } }, {}],
    [pipelinesCommands(true), {}, { loadReadsPerRequest: 1 }],
    [opensConnections(false), {}, { connectionsPerRequest: 3 }],
    [logsRequests(false), {}, { logBytesPerRequest: 300 }],
    [holdsSessions(30), {}, { sessions: 31 }],
    [
      writesOutbox(false),
      {},
      { costs: { ...evidence.costs, statementsByText: { 'INSERT INTO cache_outbox …': 1 } } },
    ],
    [throughPgbouncer('prepared'), { companion: pooled }, { companion: { ...pooled, bound: 0 } }],
    [throughPgbouncer('prepared'), { companion: pooled }, {}],
    [throughPgbouncer('unprepared'), { companion: { ...pooled, bound: 0 } }, { companion: pooled }],
    [throughPgbouncer('direct'), {}, { companion: pooled }],
    [throughNginx('kept alive'), { companion: throughProxy }, { companion: { requests: 1, connections: 1 } }],
    [throughNginx('one each'), { companion: { requests: 1, connections: 1 } }, { companion: throughProxy }],
    [throughNginx('direct'), { server: { none: 50 } }, {}],
  ]
  for (const [proof, good, bad] of cases) {
    t.type(await proof({ ...evidence, ...good }, subject), 'string')
    await t.rejects(async () => proof({ ...evidence, ...bad }, subject), { code: 'UNPROVEN' })
  }
})
