import { action, integer, runCommand, UsageError } from '@reference/cli'
import { type SeedProgress, seed } from '../seed.ts'
import { directUrl } from './direct-url.ts'

const LARGEST_COUNT = 100_000_000

const DETAILS = `
Connects to DATABASE_DIRECT_URL (past PgBouncer), else DATABASE_URL. The schema must exist (pnpm db:migrate). Does nothing
when the tables have rows.
Exit code 0, 1 when it failed, 64 for wrong arguments, 78 without a URL.
`

await runCommand(
  'pnpm db:seed',
  action({
    summary: 'Fill an empty database with the same rows each time.',
    options: {
      users: count('users', 10_000),
      products: count('products', 1000),
      orders: count('orders', 50_000),
    },
    details: DETAILS,
    async run(counts) {
      const url = directUrl()
      const bar = progressBar(process.stderr)
      const started = performance.now()
      const result = await seed({ url, ...counts, onProgress: bar.show })
        .catch((error: unknown) => {
          if (error instanceof RangeError) throw new UsageError(error.message)
          throw new Error('Not seeded', { cause: error })
        })
        .finally(bar.end)
      const seconds = ((performance.now() - started) / 1000).toFixed(1)
      process.stdout.write(
        result.seeded
          ? `${result.users} users, ${result.products} products, ${result.orders} orders in ${seconds} s\n`
          : 'There are rows already: nothing done\n',
      )
      return 0
    },
  }),
)

function count(rows: string, fallback: number) {
  return integer({ help: `rows in ${rows}`, fallback, maximum: LARGEST_COUNT })
}

/** Redraws a bar on a terminal. Elsewhere it writes nothing, so that logs stay readable. */
function progressBar(stream: NodeJS.WriteStream): { show(progress: SeedProgress): void; end(): void } {
  if (!stream.isTTY) return { show() {}, end() {} }
  return {
    show({ step, done, total }) {
      const share = total === 0 ? 1 : done / total
      const bar = '█'.repeat(Math.round(share * 30)).padEnd(30, '░')
      stream.write(`\r${bar} ${String(Math.round(share * 100)).padStart(3)} %  ${step.padEnd(10)}`)
    },
    end: () => stream.write('\n'),
  }
}
