import { execFileSync } from 'node:child_process'
import { hash } from 'node:crypto'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { action, EXIT_CODES, REPOSITORY_ROOT, UsageError } from '@reference/cli'

const TARGETS = ['reference-api', 'parallel-api']
const MAX_OUTPUT_BYTES = 1 << 30

/** `pnpm infra same-image`. */
export const sameImageCommand = action({
  summary: 'Build an image twice without a cache and compare the two.',
  positionals: { placeholder: TARGETS.join('|'), help: 'reference-api unless given', maximum: 1 },
  details: `Compares the digests of the layers, and where they differ the files: path, mode, owner, content, time.
Exit code 0 when all files are the same (times of directories may differ), else 1.`,
  run(_, [target = 'reference-api']) {
    if (!TARGETS.includes(target))
      throw new UsageError(`There is no image '${target}': ${TARGETS.join(', ')}`)
    const tags = [`same-image/${target}:1`, `same-image/${target}:2`] as const
    try {
      for (const tag of tags) build(target, tag)
      return compare(target, tags) ? EXIT_CODES.OK : EXIT_CODES.FAILED
    } finally {
      run('docker', ['image', 'rm', '--force', ...tags])
    }
  },
})

function build(target: string, tag: string): void {
  const ca = process.env.NODE_EXTRA_CA_CERTS || '/dev/null'
  const secret = ['--secret', `id=ca,src=${ca}`]
  run('docker', ['build', '--quiet', '--no-cache', '--target', target, ...secret, '--tag', tag, '.'])
}

function compare(target: string, tags: readonly [string, string]): boolean {
  const [first, second] = [layersOf(tags[0]), layersOf(tags[1])]
  const [firstFiles, secondFiles] = [filesOf(tags[0]), filesOf(tags[1])]
  let different = 0
  first.forEach((digest, index) => {
    const [a = [], b = []] = [firstFiles[index], secondFiles[index]]
    const changed = a.filter((line, at) => line !== b[at])
    const files = changed.filter((line) => !line.startsWith('d'))
    if (a.length !== b.length || files.length > 0) different += 1
    const counts = `${changed.length} of ${a.length} entries differ, ${files.length} of them files`
    process.stdout.write(`layer ${index + 1}: ${digest === second[index] ? 'same digest' : counts}\n`)
    for (const line of files.slice(0, 5)) process.stdout.write(`  ${line}\n`)
  })
  const bytes = Number(run('docker', ['image', 'inspect', '--format', '{{.Size}}', tags[0]]))
  process.stdout.write(`${target}: ${(bytes / 1e6).toFixed(0)} MB, files differ in ${different} layers\n`)
  return different === 0 && first.length === second.length
}

function layersOf(tag: string): string[] {
  return JSON.parse(run('docker', ['image', 'inspect', '--format', '{{json .RootFS.Layers}}', tag]))
}

/** The lines of `tar --list` for each layer, oldest layer first, with a hash of all contents as the last line. */
function filesOf(tag: string): string[][] {
  const folder = mkdtempSync(join(tmpdir(), 'same-image-'))
  try {
    run('docker', ['save', '--output', join(folder, 'image.tar'), tag])
    run('tar', ['-xf', join(folder, 'image.tar'), '-C', folder])
    const [{ Layers: layers }] = JSON.parse(readFileSync(join(folder, 'manifest.json'), 'utf8')) as [
      { Layers: string[] },
    ]
    return layers.map((layer) => {
      const path = join(folder, layer)
      const list = run('tar', ['--list', '--verbose', '--numeric-owner', '--full-time', '-f', path])
      const content = execFileSync('tar', ['--extract', '--to-stdout', '-f', path], {
        maxBuffer: MAX_OUTPUT_BYTES,
      })
      return [...list.trim().split('\n'), `contents ${hash('sha256', content)}`]
    })
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

function run(file: string, args: string[]): string {
  return execFileSync(file, args, {
    cwd: REPOSITORY_ROOT,
    env: { ...process.env, DOCKER_BUILDKIT: '1' },
    stdio: ['ignore', 'pipe', 'inherit'],
    maxBuffer: MAX_OUTPUT_BYTES,
  }).toString()
}
