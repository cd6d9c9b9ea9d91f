import { theProduction } from './production.ts'

const { production, docker } = theProduction()
const APIS = ['reference-api', 'parallel-api'] as const

/** Tags the images of the first release again; `pnpm test:prod` removes them at its end. */
export async function tagRelease(name: string): Promise<string> {
  const tag = `${production.project}-${name}`
  for (const api of APIS) await docker(['tag', `${api}:local`, `${api}:${tag}`])
  return tag
}

/** Builds a release from the first one and further lines of a Dockerfile. */
export async function buildRelease(name: string, lines: string): Promise<string> {
  const tag = `${production.project}-${name}`
  for (const api of APIS) {
    await docker(['build', '--quiet', '--tag', `${api}:${tag}`, '-'], {
      input: `FROM ${api}:local\n${lines}\n`,
      env: { DOCKER_BUILDKIT: '1' },
    })
  }
  return tag
}

/** All replicas, running or not: a release that was rolled back must leave none. */
export function everything() {
  return Promise.all(APIS.map((api) => production.containers(api, { all: true })))
}
