import { mkdtempSync, readFileSync, writeFileSync } from 'node:fs'
import { chmod, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t from 'tap'
import { hasImage, root } from './docker.ts'
import { servers } from './servers.ts'

t.setTimeout(300_000)
// A server and its typo side by side: most of the time is spent waiting for a disk.
t.jobs = 2

for (const [name, server] of Object.entries(servers)) {
  const path = join(root, server.file)
  const text = readFileSync(path, 'utf8')

  t.test(`${name} runs with each setting of ${server.file}`, async (t) => {
    if (!(await hasImage(server.image))) return void t.pass(`skipped: the image ${server.image} is not here`)
    const settings = server.settings(text)
    t.ok(settings.length > 10, `${settings.length} settings were read from the file`)
    t.same(await server.differences(path, settings), [], 'the server says the same of each')
  })

  t.test(`a typo in ${server.file} does not pass`, async (t) => {
    if (!(await hasImage(server.image))) return void t.pass(`skipped: the image ${server.image} is not here`)
    const folder = mkdtempSync(join(tmpdir(), 'reference-typo-'))
    t.teardown(() => rm(folder, { recursive: true }))
    await chmod(folder, 0o755)
    const wrong = text.replace(...server.typo)
    t.not(wrong, text, 'the typo is there')
    const file = join(folder, 'wrong')
    writeFileSync(file, wrong, { mode: 0o644 })
    const found = await server
      .differences(file, server.settings(wrong))
      .catch((error: unknown) => [error instanceof Error ? error.message : String(error)])
    const said = found.join(' ').replaceAll(/\s+/g, ' ')
    t.ok(found.length > 0, said.slice(0, 300))
  })
}
