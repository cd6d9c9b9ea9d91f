/** Watches one test file as `pnpm test --watch` does, without servers, for the test of the watch. */
import { runTap } from '../tap.ts'
import { watchTests } from '../watch.ts'

const named = process.argv.slice(2)
process.exitCode = await watchTests({
  named,
  all: () => named,
  run: (files) => runTap(files, { jobs: 1, timeoutSeconds: 60 }),
  renewTemplate: async () => {},
  say: (line) => process.stdout.write(`${line}\n`),
})
