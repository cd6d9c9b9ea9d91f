import { setMaxListeners } from 'node:events'
import { type Arguments, help, readArguments } from './commands/arguments.ts'
import { BenchError, UsageError } from './errors.ts'

const exitUsage = 64
const exitInterrupted = 130

/** Runs a command; loads only what it needs, so that `--help` and `list` answer at once. */
async function perform(args: Arguments, signal: AbortSignal): Promise<number> {
  switch (args.command) {
    case 'list': {
      const [{ renderList }, { scenarios }] = await Promise.all([
        import('./commands/list.ts'),
        import('../scenarios/index.ts'),
      ])
      process.stdout.write(renderList(scenarios))
      return 0
    }
    case 'baseline':
      return (await import('./commands/baseline.ts')).baseline(args, signal)
    case 'infra':
      return (await import('./commands/infra.ts')).infra(args, signal)
    case 'tune':
      return (await import('./commands/tune.ts')).tune(args, signal)
    case 'aa':
      return (await import('./commands/aa.ts')).compareSame(args, signal)
    case 'validate': {
      const { readResults } = await import('./report/results-file.ts')
      for (const file of args.files) {
        readResults(file)
        process.stdout.write(`${file} fits the schema\n`)
      }
      return 0
    }
    case 'run':
      if (args.url !== undefined)
        return (await import('./commands/deployment.ts')).measureDeployment(args, args.url, signal)
      return (await import('./commands/run.ts')).runCommand(args, signal)
  }
}

/** Ctrl-C ends the measurement and lets what there is be written; a second one ends the process. */
function interruptible(): AbortSignal {
  const controller = new AbortController()
  setMaxListeners(0, controller.signal)
  for (const name of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
    process.on(name, () => {
      if (controller.signal.aborted) process.exit(exitInterrupted)
      process.stderr.write('\ninterrupted: stopping what was started, writing what there is\n')
      controller.abort(new BenchError('INTERRUPTED', 'interrupted'))
    })
  }
  return controller.signal
}

async function main(): Promise<number> {
  const signal = interruptible()
  try {
    const args = readArguments(process.argv.slice(2))
    if (args.help) {
      process.stdout.write(help)
      return 0
    }
    return await perform(args, signal)
  } catch (error) {
    if (signal.aborted) return exitInterrupted
    if (error instanceof UsageError) {
      process.stderr.write(`bench: ${error.message}\nTry pnpm bench --help.\n`)
      return exitUsage
    }
    if (!(error instanceof Error && 'code' in error)) throw error
    process.stderr.write(`bench: ${error.message}\n`)
    return 1
  }
}

process.exitCode = await main()
