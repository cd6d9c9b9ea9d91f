import { setMaxListeners } from 'node:events'
import { action, EXIT_CODES, integer, oneOf, runCommand } from '@reference/cli'

const INTERRUPTED = 130

/** The first Ctrl-C ends the lab; the second ends the process. */
function abortOnSignals(): AbortSignal {
  const controller = new AbortController()
  setMaxListeners(0, controller.signal)
  for (const name of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
    process.on(name, () => {
      if (controller.signal.aborted) process.exit(INTERRUPTED)
      process.stderr.write('\nstopping all processes\n')
      controller.abort(new Error('interrupted'))
    })
  }
  return controller.signal
}

const rows = (table: string, fallback: number) =>
  integer({ help: `rows in ${table}`, minimum: 100, maximum: 9_999_999, fallback })

const OPTIONS = {
  port: integer({ help: 'of the page; 0 takes a free one', maximum: 65_535, fallback: 8090 }),
  build: oneOf(['dist', 'sources'], {
    help: 'what runs: a bundle as pnpm build makes it, or the sources',
    fallback: 'dist',
  }),
  'warm-up-ms': integer({
    help: 'longest load of a copy before its figures count',
    minimum: 100,
    fallback: 5000,
  }),
  users: rows('users', 100_000),
  products: rows('products', 1_000),
  orders: rows('orders', 50_000),
}

await runCommand(
  'pnpm lab',
  action({
    summary:
      'Open a page with two copies of the services under one load: as shipped, and with the switches of your choice.',
    options: OPTIONS,
    details: `The page is at http://127.0.0.1:8090, for this machine only. It starts its own Postgres and Redis, which end with it; Ctrl-C ends
all of it. For development: it changes settings and causes faults at the click of a button.

bench/lab/README.md explains the method and its limits.`,
    async run({ users, products, orders, 'warm-up-ms': warmUpMs, ...values }) {
      const signal = abortOnSignals()
      const { runLab } = await import('./run-lab.ts')
      try {
        await runLab({ ...values, warmUpMs, dataset: { users, products, orders } }, signal)
        return EXIT_CODES.OK
      } catch (error) {
        if (signal.aborted) return EXIT_CODES.OK
        throw error
      }
    },
  }),
)
