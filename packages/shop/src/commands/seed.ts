import { action, integer, runCommand, UsageError } from '@reference/cli'
import { ownerUrl } from '@reference/database/commands'
import { DEFAULT_COUNTS, type SeedProgress, seed } from '../seed.ts'

const MAX_ROWS = 100_000_000

const rows = (table: keyof typeof DEFAULT_COUNTS) =>
  integer({ help: `rows in ${table}`, maximum: MAX_ROWS, fallback: DEFAULT_COUNTS[table] })

await runCommand(
  'pnpm db:seed',
  action({
    summary: 'Fill an empty database with the same rows each time.',
    options: { users: rows('users'), products: rows('products'), orders: rows('orders') },
    details: `Connects to DATABASE_OWNER_URL, else DATABASE_DIRECT_URL (past PgBouncer), else DATABASE_URL, else to the database of the pnpm dev, pnpm
start or pnpm stack that runs in this clone. It needs its tables (pnpm db:migrate). Does
nothing when there are rows. Exit code 0, 1 when it failed, 64 for wrong arguments, 78 without a URL.`,
    async run(counts) {
      const url = ownerUrl()
      const bar = createProgressBar(process.stderr)
      const startedAt = performance.now()
      const result = await seed({ url, ...counts, onProgress: bar.show })
        .catch((error: unknown) => {
          throw error instanceof RangeError
            ? new UsageError(error.message)
            : new Error('Not seeded', { cause: error })
        })
        .finally(bar.end)
      const seconds = ((performance.now() - startedAt) / 1000).toFixed(1)
      const { users, products, orders } = result
      process.stdout.write(
        result.seeded
          ? `${users} users, ${products} products, ${orders} orders in ${seconds} s\n`
          : 'There are rows already: nothing done\n',
      )
      return undefined
    },
  }),
)

/** A bar that redraws itself on a terminal. Elsewhere it writes nothing, so that logs stay readable. */
function createProgressBar(stream: NodeJS.WriteStream): { show(progress: SeedProgress): void; end(): void } {
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
