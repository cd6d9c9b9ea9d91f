import { createServer, runServer } from './index.ts'

/** A service for the tests of shutdown, a process of its own; what it does is asked for over the environment. */
const { PORT = '0', DELAY_MS = '0', CLOSE_TIMEOUT_MS = '5000', INTERNAL_PORT } = process.env
const app = await createServer({
  service: 'fixture',
  version: '1',
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

process.on('message', (message) => {
  if (message === 'release') release()
})

const { address } = await runServer(app, {
  host: '127.0.0.1',
  port: Number(PORT),
  shutdownDelayMs: Number(DELAY_MS),
  closeTimeoutMs: Number(CLOSE_TIMEOUT_MS),
  onClose: async () => {
    process.send?.('closing')
    process.disconnect?.()
  },
})
process.send?.(address)
