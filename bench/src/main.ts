import { setMaxListeners } from 'node:events'
import { runCommand } from '@reference/cli'
import { commands } from './commands/definitions.ts'

/** The first Ctrl-C ends the measurement and writes the results so far; the second ends the process. */
function abortOnSignals(): AbortSignal {
  const controller = new AbortController()
  setMaxListeners(0, controller.signal)
  for (const name of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
    process.on(name, () => {
      if (controller.signal.aborted) process.exit(130)
      process.stderr.write('\ninterrupted: stopping all processes, writing the results so far\n')
      controller.abort(new Error('interrupted'))
    })
  }
  return controller.signal
}

const { run, ...named } = commands(abortOnSignals())
const [first = '', ...rest] = process.argv.slice(2).filter((argument) => argument !== '--')
const command = Object.hasOwn(named, first) ? named[first] : undefined
if (command !== undefined) await runCommand(`pnpm bench ${first}`, command, rest)
else await runCommand('pnpm bench', run)
