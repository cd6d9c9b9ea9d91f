import { parseArgs } from 'node:util'
import { argumentsOf, runCommand, UsageError } from '@reference/command'
import { type SeedProgress, seed } from '../seed.ts'
import { directUrl } from './direct-url.ts'

const help = `db:seed - fill an empty database with the same rows each time

  pnpm db:seed [--users N] [--products N] [--orders N] [--help]

  --users N      10000 unless given
  --products N   1000 unless given
  --orders N     50000 unless given

Connects to DATABASE_DIRECT_URL (past PgBouncer), else DATABASE_URL; the schema must be there (db:migrate). Does
nothing when there are rows. Exit code 0, or 1 when it failed, 64 for wrong arguments, 78 without a URL.
`

await runCommand(help, async () => {
  const { help: wantsHelp, ...counts } = readArguments()
  if (wantsHelp) {
    process.stdout.write(help)
    return 0
  }
  const url = directUrl()
  const bar = progressBar(process.stderr)
  const started = performance.now()
  let result: Awaited<ReturnType<typeof seed>>
  try {
    result = await seed({ url, ...counts, onProgress: bar.show })
  } catch (error) {
    if (error instanceof RangeError) throw new UsageError(error.message)
    throw new Error('Not seeded', { cause: error })
  } finally {
    bar.end()
  }
  const seconds = ((performance.now() - started) / 1000).toFixed(1)
  process.stdout.write(
    result.seeded
      ? `${result.users} users, ${result.products} products, ${result.orders} orders in ${seconds} s\n`
      : 'There are rows already: nothing done\n',
  )
  return 0
})

function readArguments() {
  const { values } = parseArgs({
    args: argumentsOf(),
    options: {
      users: { type: 'string', default: '10000' },
      products: { type: 'string', default: '1000' },
      orders: { type: 'string', default: '50000' },
      help: { type: 'boolean', short: 'h', default: false },
    },
  })
  return {
    help: values.help,
    users: countOf('users', values.users),
    products: countOf('products', values.products),
    orders: countOf('orders', values.orders),
  }
}

function countOf(name: string, text: string): number {
  if (/^\d{1,9}$/.test(text) && Number(text) <= 100_000_000) return Number(text)
  throw new UsageError(`--${name} takes a whole number from 0 to 100000000, got '${text}'`)
}

/** A bar that redraws itself on a terminal; elsewhere nothing, so that logs stay readable. */
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
