/**
 * Prints the OpenAPI documents of the services as one JSON object from the name of the service to its document:
 * `node tools/generate/print-openapi.ts`. Each service starts without its database, which its document does not need.
 */
import { spawn } from 'node:child_process'
import { createInterface } from 'node:readline'
import { REPOSITORY_ROOT } from '@reference/cli'
import { SERVICES } from '@reference/shop/services'

type Service = (typeof SERVICES)[keyof typeof SERVICES]

const ENVIRONMENT = {
  DATABASE_URL: 'postgres://absent@127.0.0.1:1/none',
  PORT: '0',
  LOG_FORMAT: 'json',
  // Otherwise the document would not say which calls need a token.
  AUTH: 'token',
}

const documents = await Promise.all(
  Object.values(SERVICES).map(async (service) => [service.name, await documentOf(service)] as const),
)
process.stdout.write(JSON.stringify(Object.fromEntries(documents)))

async function documentOf({ name, main }: Service): Promise<unknown> {
  const child = spawn(process.execPath, [main], {
    cwd: REPOSITORY_ROOT,
    env: { PATH: process.env.PATH, ...ENVIRONMENT },
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  try {
    for await (const line of createInterface({ input: child.stdout })) {
      const [origin] = /http:\/\/127\.0\.0\.1:\d+/.exec(line) ?? []
      if (origin === undefined) continue
      const reply = await fetch(`${origin}/openapi.json`)
      if (!reply.ok) throw new Error(`${name}: /openapi.json answered ${reply.status}`)
      return await reply.json()
    }
    throw new Error(`${name} ended before it listened`)
  } finally {
    child.kill('SIGKILL')
  }
}
