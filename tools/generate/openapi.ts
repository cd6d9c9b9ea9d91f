import { spawnSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { REPOSITORY_ROOT } from '@reference/cli'
import { SERVICES } from '@reference/shop/services'
import openapiTS, { astToString } from 'openapi-typescript'
import type { GeneratedFiles } from './generated-files.ts'

/** Where the OpenAPI document of each service is kept. */
export const OPENAPI_FILES: readonly string[] = Object.values(SERVICES).map(({ main }) => fileOf(main))

/** The file of a client with the types of its calls, and the service that it calls. */
const CLIENTS: Readonly<Record<string, string>> = {
  'services/parallel-api/src/reference-api.openapi.ts': 'reference-api', // part:parallel-api
}

/** The OpenAPI document of each service, as the service serves it, and the types that its clients make of it. */
export async function openApiFiles(): Promise<GeneratedFiles> {
  const documents = readDocuments()
  const own = Object.values(SERVICES).map(
    ({ name, main }) => [fileOf(main), `${JSON.stringify(documents[name], undefined, 2)}\n`] as const,
  )
  // A service that was removed has neither a document nor clients.
  const present = Object.entries(CLIENTS).filter(
    ([file, service]) => existsSync(join(REPOSITORY_ROOT, dirname(file))) && documents[service] !== undefined,
  )
  const clients = present.map(
    async ([file, service]) => [file, await typesOf(service, documents[service])] as const,
  )
  return new Map([...own, ...(await Promise.all(clients))])
}

async function typesOf(service: string, document: unknown): Promise<string> {
  const nodes = await openapiTS(JSON.stringify(document), { alphabetize: true })
  return `// The calls of the ${service}, from its OpenAPI document: written by \`pnpm generate\`.\n\n${astToString(nodes)}`
}

/** The document is beside the folder of the program. */
function fileOf(main: string): string {
  return join(dirname(dirname(main)), 'openapi.json')
}

function readDocuments(): Readonly<Record<string, unknown>> {
  const { NODE_OPTIONS: _, ...env } = process.env
  const { status, stdout, stderr } = spawnSync(
    process.execPath,
    [join('tools', 'generate', 'print-openapi.ts')],
    { cwd: REPOSITORY_ROOT, encoding: 'utf8', env, maxBuffer: 64 * 1024 * 1024 },
  )
  if (status !== 0) throw new Error(`The OpenAPI documents cannot be read:\n${stderr}`)
  return JSON.parse(stdout)
}
