import { execFileSync } from 'node:child_process'
import { hash } from 'node:crypto'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

const help = `node infra/commands/same-image.ts [reference-api | parallel-api]

Builds the image twice without a cache, and compares the two: layer by layer their digests, and where these differ the files
in them: path, mode, owner, content, time. Exit code 0 when all files are the same but for times of directories, else 1.
`

const root = fileURLToPath(new URL('../../', import.meta.url))
const run = (file: string, args: string[]) =>
  execFileSync(file, args, {
    cwd: root,
    env: { ...process.env, DOCKER_BUILDKIT: '1' },
    stdio: ['ignore', 'pipe', 'inherit'],
    maxBuffer: 1 << 30,
  }).toString()

function build(target: string, tag: string): void {
  const ca = process.env.NODE_EXTRA_CA_CERTS || '/dev/null'
  run('docker', [
    'build',
    '--quiet',
    '--no-cache',
    '--target',
    target,
    '--secret',
    `id=ca,src=${ca}`,
    '--tag',
    tag,
    '.',
  ])
}

const layersOf = (tag: string): string[] =>
  JSON.parse(run('docker', ['image', 'inspect', '--format', '{{json .RootFS.Layers}}', tag]))

/** What `tar` tells of every file of each layer, oldest layer first. */
function filesOf(tag: string): string[][] {
  const folder = mkdtempSync(join(tmpdir(), 'same-image-'))
  try {
    run('docker', ['save', '--output', join(folder, 'image.tar'), tag])
    run('tar', ['-xf', join(folder, 'image.tar'), '-C', folder])
    const manifest = run('cat', [join(folder, 'manifest.json')])
    const [{ Layers: layers }] = JSON.parse(manifest) as [{ Layers: string[] }]
    return layers.map((layer) => {
      const path = join(folder, layer)
      const list = run('tar', ['--list', '--verbose', '--numeric-owner', '--full-time', '-f', path])
      // All contents, in the order of the list.
      const content = execFileSync('tar', ['--extract', '--to-stdout', '-f', path], { maxBuffer: 1 << 30 })
      return [...list.trim().split('\n'), `contents ${hash('sha256', content)}`]
    })
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

const [target = 'reference-api', ...more] = process.argv.slice(2).filter((argument) => argument !== '--')
if (more.length > 0 || !['reference-api', 'parallel-api'].includes(target)) {
  process.stderr.write(help)
  process.exit(64)
}
const tags = [`same-image/${target}:1`, `same-image/${target}:2`] as const
try {
  for (const tag of tags) build(target, tag)
  const [first = [], second = []] = tags.map(layersOf)
  const [firstFiles = [], secondFiles = []] = tags.map(filesOf)
  let different = 0
  first.forEach((digest, index) => {
    const a = firstFiles[index] ?? []
    const b = secondFiles[index] ?? []
    const lines = a.filter((line, at) => line !== b[at])
    const others = lines.filter((line) => !line.startsWith('d'))
    if (a.length !== b.length || others.length > 0) different += 1
    const same = digest === second[index]
    const what = same
      ? 'same digest'
      : `${lines.length} of ${a.length} entries differ, ${others.length} of them no directories`
    process.stdout.write(`layer ${index + 1}: ${what}\n`)
    for (const line of others.slice(0, 5)) process.stdout.write(`  ${line}\n`)
  })
  const size = run('docker', ['image', 'inspect', '--format', '{{.Size}}', tags[0]])
  process.stdout.write(
    `${target}: ${(Number(size) / 1e6).toFixed(0)} MB, ${different} layers have other files\n`,
  )
  process.exitCode = different === 0 && first.length === second.length ? 0 : 1
} finally {
  run('docker', ['image', 'rm', '--force', ...tags])
}
