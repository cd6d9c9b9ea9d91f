import { theProduction } from './production.ts'

const { production, docker } = theProduction()
const APIS = ['reference-api', 'parallel-api'] as const

/** A release that is the same as the first one; its images go with the production. */
export async function tagRelease(name: string): Promise<string> {
  const tag = `${production.project}-${name}`
  for (const api of APIS) await docker(['tag', `${api}:local`, `${api}:${tag}`])
  return tag
}

/** A release that is the first one with a fault: lines of a Dockerfile. */
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

/** All replicas, also those that do not run: nothing may be left of a release that went back. */
export function everything() {
  return Promise.all(APIS.map((api) => production.containers(api, { all: true })))
}
