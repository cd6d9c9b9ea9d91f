import { makeTemplate, startStack, templateDatabase, throwAwaySettings } from '@reference/local-stack'

/** Whether a test file needs a Docker engine. `pnpm test:compose` runs such files, `pnpm test` does not. */
export function isDockerTest(path: string): boolean {
  return path.endsWith('.docker.test.ts')
}

/**
 * Starts one Postgres and one Redis for all test files of a run, with a migrated and seeded template database.
 *
 * @param work gets the environment for the test files, and a function that makes the template database anew
 * @returns what `work` returns, or 1 where there is no Redis
 */
export async function withTestServers(
  work: (env: NodeJS.ProcessEnv, renewTemplate: () => Promise<void>) => Promise<number>,
): Promise<number> {
  const stack = await startStack({
    // Test files run side by side, each with its own pools.
    postgres: { settings: { ...throwAwaySettings, max_connections: '400' } },
  })
  try {
    if (stack.redisUrl === undefined) {
      process.stderr.write(
        '\nThe tests need Redis: install redis-server as described above, then run them again\n',
      )
      return 1
    }
    const renewTemplate = () => makeTemplate(stack.superuserUrl, templateDatabase)
    await renewTemplate()
    const env = {
      TEST_DATABASE_URL: stack.superuserUrl,
      TEST_TEMPLATE_DATABASE: templateDatabase,
      TEST_REDIS_URL: stack.redisUrl,
    }
    return await work(env, renewTemplate)
  } finally {
    await stack.stop()
  }
}
