import { loadConfigOrExit } from '@reference/config'
import { runServer } from '@reference/http'
import { createApp } from './app.ts'

const config = loadConfigOrExit('parallel-api')
const { app, close } = await createApp(config)

await runServer(app, {
  host: config.host,
  port: config.port,
  shutdownDelayMs: config.shutdownDelayMs,
  closeTimeoutMs: config.shutdownTimeoutMs,
  onClose: close,
})
