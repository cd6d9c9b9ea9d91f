import { spawn } from 'node:child_process'
import { join } from 'node:path'
import { stripVTControlCharacters } from 'node:util'
import { REPOSITORY_ROOT } from '@reference/cli'
import t from 'tap'
import { PrettyLog } from './pretty-log.ts'

function open({ colours = false } = {}) {
  let text = ''
  const output = {
    write(part: string) {
      text += part
    },
  }
  const log = new PrettyLog({ output, colours, foldMs: 60_000 })
  const write = (entry: object) => log.write(`${JSON.stringify({ level: 'info', time: 0, ...entry })}\n`)
  const take = () => {
    const taken = text
    text = ''
    return taken
  }
  return { log, write, take }
}

const UNAVAILABLE = {
  message: 'connect ECONNREFUSED',
  code: 'ECONNREFUSED',
  stack: 'Error: connect\n    at x.ts:1:1',
}

t.test('a line has its time, level, message and details, and not what each line repeats', async (t) => {
  const { write, take } = open()
  write({
    service: 'reference-api',
    version: '1',
    msg: 'cache: in use',
    pool: 'primary',
    ms: 3,
    words: 'two words',
  })
  t.match(take(), /^\d\d:\d\d:\d\d INFO {2}cache: in use pool=primary ms=3 words="two words"\n$/)
})

t.test('an error has its stack, a warning the message and code alone', async (t) => {
  const { write, take } = open()
  write({ level: 'error', msg: 'request failed', err: UNAVAILABLE })
  t.match(take(), /ERROR request failed: connect ECONNREFUSED \(ECONNREFUSED\)\n {4}at x\.ts:1:1\n$/)
  write({ level: 'warn', msg: 'not delivered', err: UNAVAILABLE })
  t.match(take(), /WARN {2}not delivered: connect ECONNREFUSED \(ECONNREFUSED\)\n$/)
})

t.test(
  'equal warnings are one line and a number, also between others; errors of requests are not folded',
  async (t) => {
    const { log, write, take } = open()
    for (let attempt = 1; attempt <= 5; attempt++) {
      write({
        level: 'warn',
        msg: 'unavailable',
        attempt,
        requestId: `r${attempt}`,
        err: { ...UNAVAILABLE, message: `worker ${attempt}` },
      })
      write({ level: 'warn', msg: 'unavailable', pool: 'replica' })
      write({ level: 'error', msg: 'lost', err: UNAVAILABLE })
      write({ level: 'error', msg: 'failed', requestId: `r${attempt}` })
    }
    const lines = take().split('\n')
    t.equal(lines.filter((line) => line.includes('unavailable')).length, 2)
    t.equal(lines.filter((line) => line.includes(' lost: ')).length, 1)
    t.equal(lines.filter((line) => line.includes('failed')).length, 5)
    log.report()
    t.match(
      take(),
      /^4 × in 60 s: .*unavailable.*\n4 × in 60 s: .*pool=replica\n4 × in 60 s: .* lost: connect ECONNREFUSED \(ECONNREFUSED\)\n$/,
    )
    log.report()
    write({ level: 'warn', msg: 'unavailable', pool: 'replica' })
    t.match(take(), /^\d.*WARN.*pool=replica\n$/, 'printed again after an interval without it')
    log.report()
  },
)

t.test('another text is printed as it is, and colours do not change the text', async (t) => {
  const { log, write, take } = open({ colours: true })
  log.write('no JSON\n')
  log.write('{"a":1}\n')
  t.equal(take(), 'no JSON\n{"a":1}\n')
  write({ level: 'warn', msg: 'slow' })
  const coloured = take()
  t.match(stripVTControlCharacters(coloured), /WARN {2}slow\n$/)
  t.not(stripVTControlCharacters(coloured), coloured)
  log.report()
})

t.test('a service logs JSON into a pipe, and for people with LOG_FORMAT=pretty', async (t) => {
  const firstLine = async (environment: Record<string, string>) => {
    const main = join(REPOSITORY_ROOT, 'services/reference-api/src/main.ts')
    const env = {
      PATH: process.env.PATH,
      DATABASE_URL: 'postgres://app@127.0.0.1:1/none',
      PORT: '0',
      ...environment,
    }
    const child = spawn(process.execPath, [main], { env, stdio: ['ignore', 'pipe', 'inherit'] })
    t.teardown(() => child.kill('SIGKILL'))
    for await (const text of child.stdout.setEncoding('utf8')) return String(text).split('\n')[0] ?? ''
    return ''
  }
  const [json, pretty] = await Promise.all([firstLine({}), firstLine({ LOG_FORMAT: 'pretty' })])
  t.match(JSON.parse(json), { level: 'info', service: 'reference-api' })
  t.match(pretty, /^\d\d:\d\d:\d\d INFO {2}\S/)
})
