import { closeSync, open, openSync } from 'node:fs'
import { Registry } from '@prometheus-io/client'
import { delay } from '@reference/async'
import { createServer, runServer } from '../index.ts'

/** A service that tests start in a process of its own; environment variables configure it. */
const {
  PORT = '0',
  DELAY_MS = '0',
  CLOSE_TIMEOUT_MS = '20000',
  INTERNAL_PORT,
  REQUEST_LOG,
  HTTP_FAST_PATH,
  FIFO = '',
  DIAGNOSTICS_DIR,
} = process.env
const app = await createServer({
  service: 'fixture',
  version: '1',
  requestLog: REQUEST_LOG === 'on',
  fastPath: HTTP_FAST_PATH !== 'off',
  registry: new Registry(),
  ...(INTERNAL_PORT !== undefined && { internalPort: Number(INTERNAL_PORT) }),
})

let release = () => {}
const held = new Promise<void>((resolve) => {
  release = resolve
})

app.get('/held', async () => {
  process.send?.('held')
  await held
  return { held: true }
})
app.get('/crash', async () => {
  setImmediate(() => {
    throw new Error('crash of the fixture')
  })
  return {}
})
app.get('/reject', async () => {
  Promise.reject(new Error('rejection of the fixture'))
  return {}
})

app.post('/body', async ({ body }) => {
  // In use until the reply, as a body that is stored is.
  await delay(300)
  return { keys: Object.keys(body as object).length }
})

app.get('/fill-the-heap', () => {
  const kept: object[] = []
  for (;;) kept.push(new Array(1000).fill({ kept: kept.length }))
})

app.get('/warn', async () => {
  for (let n = 0; n < 2000; n++) process.emitWarning(`${n} ${'x'.repeat(100)}`)
  return {}
})
app.get('/block-a-thread', async () => {
  // Opening a FIFO blocks until its other end is opened.
  open(FIFO, 'r', () => {})
  return {}
})

const files: number[] = []
process.on('message', (message) => {
  if (message === 'release') release()
  if (message === 'exhaust') process.send?.(exhaust())
  if (message === 'free') for (const file of files.splice(0)) closeSync(file)
})

/** Opens files until no descriptor is free; returns the code of the error. */
function exhaust(): string {
  try {
    for (;;) files.push(openSync('/dev/null', 'r'))
  } catch (error) {
    return (error as NodeJS.ErrnoException).code ?? ''
  }
}

const running = await runServer(app, {
  host: '127.0.0.1',
  port: Number(PORT),
  shutdownDelayMs: Number(DELAY_MS),
  closeTimeoutMs: Number(CLOSE_TIMEOUT_MS),
  diagnosticsDir: DIAGNOSTICS_DIR,
  onClose: async () => {
    process.send?.('closing')
    process.disconnect?.()
  },
})
process.send?.(running)
