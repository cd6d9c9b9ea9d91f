import { spawn } from 'node:child_process'
import { delimiter, dirname, join } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { createReport } from './report.ts'

/** The repository's root; test files are named from there. */
export const root = fileURLToPath(new URL('../', import.meta.url))

/**
 * Runs test files with tap, prints a line a file and, as the last one, "N passed, N failed". Ctrl-C and SIGTERM are
 * passed on.
 *
 * @param run.jobs how many files at once
 * @param run.timeoutSeconds a file's limit
 * @param run.options more of tap's own
 * @returns the exit code: not 0 when a test failed or none ran
 */
export async function runTap(
  files: readonly string[],
  run: { jobs: number; timeoutSeconds: number; options?: readonly string[]; env?: NodeJS.ProcessEnv },
): Promise<number> {
  const report = createReport((line) => process.stdout.write(`${line}\n`))
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
      cwd: root,
      stdio: ['ignore', 'pipe', 'inherit'],
      env: {
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
  for await (const line of createInterface({ input: tap.stdout })) report.line(line)
  const code = await ended
  const { passed, failed, skipped } = report.total
  const ran = passed + failed
  if (skipped > 0) process.stdout.write(`\n${skipped} skipped or to do\n`)
  if (ran === 0) process.stderr.write('No test ran\n')
  // tap may fail for what is no test, such as a wrong option.
  if (code !== 0 && failed === 0) process.stderr.write(`tap ended with ${code}\n`)
  process.stdout.write(`\n${passed} passed, ${failed} failed\n`)
  return failed > 0 || ran === 0 ? 1 : code
}
