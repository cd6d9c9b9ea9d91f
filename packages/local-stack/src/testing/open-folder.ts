import { chmod, mkdtemp, rm } from 'node:fs/promises'
import { join } from 'node:path'
import type { TestScope } from './databases-and-redis.ts'

/** A folder of the test's own that any user may enter, so the user of the servers too. */
export async function openFolder(t: TestScope): Promise<string> {
  const folder = await mkdtemp(join('/tmp', 'local-stack-test-'))
  t.teardown(() => rm(folder, { recursive: true, force: true }))
  await chmod(folder, 0o777)
  return folder
}
