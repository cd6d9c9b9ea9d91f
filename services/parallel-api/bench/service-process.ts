import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import { until } from '@reference/async'
import { freePort } from '@reference/local-stack'
import { request } from 'undici'

export interface ServiceProcess {
  readonly origin: string
  readonly pid: number
  stop(): Promise<void>
}

/** Starts the service in its own process and session, as in production; resolves when it is ready. */
export async function startService(
  databaseUrl: string,
  environment: Record<string, string>,
): Promise<ServiceProcess> {
  const port = await freePort()
  const main = fileURLToPath(new URL('../src/main.ts', import.meta.url))
  const { PATH, HOME } = process.env
  const child = spawn(process.execPath, [main], {
    stdio: 'inherit',
    detached: true,
    env: { PATH, HOME, PORT: String(port), DATABASE_URL: databaseUrl, LOG_LEVEL: 'error', ...environment },
  })
  const origin = `http://127.0.0.1:${port}`
  const isReady = async () => {
    const { statusCode, body } = await request(`${origin}/ready`)
    await body.dump()
    return statusCode === 200
  }
  const ended = once(child, 'exit').then(([code]) => {
    throw new Error(`The service ended with exit code ${code}`)
  })
  try {
    await Promise.race([until('the service is ready', isReady, { retryErrors: true }), ended])
  } catch (error) {
    child.kill('SIGKILL')
    throw error
  }
  return {
    origin,
    pid: child.pid ?? 0,
    async stop() {
      if (child.exitCode !== null) return
      child.kill('SIGKILL')
      await once(child, 'exit')
    },
  }
}
