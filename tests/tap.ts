import { spawn } from 'node:child_process'
import { delimiter, dirname, join } from 'node:path'
import type { Readable } from 'node:stream'
import { REPOSITORY_ROOT } from '@reference/cli'
import { createReport, type Skipped } from './report.ts'

/** Paths of test files are relative to this folder. */
export const root = REPOSITORY_ROOT

/**
 * Runs test files with tap. Prints one line for each file, and "N passed, N failed" as the last line. Forwards Ctrl-C and
 * SIGTERM to tap.
 *
 * @param files paths relative to the folder
 * @param run.jobs number of files that run at once
 * @param run.timeoutSeconds time limit of a file
 * @param run.options further options of tap
 * @param run.folder the repository's root unless given
 * @returns the exit code; not 0 when a test failed or none ran
 */
export async function runTap(
  files: readonly string[],
  run: {
    jobs: number
    timeoutSeconds: number
    options?: readonly string[]
    env?: NodeJS.ProcessEnv
    folder?: string
  },
): Promise<number> {
  const report = createReport((line) => process.stdout.write(`${line}\n`), files)
  const tap = spawn(
    join(root, 'node_modules', '.bin', 'tap'),
    [
      'run',
      '--reporter=tap',
      '--disable-coverage',
      `--jobs=${run.jobs}`,
      `--timeout=${run.timeoutSeconds}`,
      ...(run.options ?? []),
      ...files,
    ],
    {
      cwd: run.folder ?? root,
      stdio: ['ignore', 'pipe', 'inherit'],
      env: {
        // Each test file and each service that it starts is a process. With the compiled code of the one before, importing a
        // service takes 1.4 s of CPU time instead of 2.1.
        NODE_COMPILE_CACHE: join(root, 'node_modules', '.cache', 'node'),
        ...process.env,
        ...run.env,
        PATH: `${dirname(process.execPath)}${delimiter}${process.env.PATH ?? ''}`,
      },
    },
  )
  const forward = (signal: NodeJS.Signals) => tap.kill(signal)
  process.on('SIGINT', forward).on('SIGTERM', forward)
  const ended = new Promise<number>((settle, fail) => {
    tap.once('error', fail).once('close', (code, signal) => settle(signal === null ? (code ?? 1) : 130))
  })
  for await (const line of linesOf(tap.stdout)) report.line(line)
  const code = await ended
  process.off('SIGINT', forward).off('SIGTERM', forward)
  report.end(code)
  const { passed, failed, skipped } = report.total
  if (skipped > 0 || report.skipped.length > 0) process.stdout.write(skippedText(skipped, report.skipped))
  process.stdout.write(`\n${passed} passed, ${failed} failed\n`)
  return failed > 0 ? (code === 130 ? 130 : 1) : 0
}

/** Splits only at line feeds: `node:readline` also splits at U+2028, U+2029 and a lone carriage return. */
async function* linesOf(stream: Readable): AsyncGenerator<string> {
  let rest = ''
  for await (const chunk of stream.setEncoding('utf8')) {
    const lines = (rest + chunk).split('\n')
    rest = lines.pop() ?? ''
    yield* lines
  }
  if (rest !== '') yield rest
}

function skippedText(count: number, skipped: readonly Skipped[]): string {
  const rows = skipped.map(({ file, name, reason }) => `  ${file} › ${name}: ${reason}\n`)
  return `\n${count} skipped or to do\n${rows.join('')}`
}
