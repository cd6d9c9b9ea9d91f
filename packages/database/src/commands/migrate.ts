import { parseArgs } from 'node:util'
import { migrate } from '../migrate.ts'
import { directUrl, exitCodes, fail, messageOf } from './command.ts'

const help = `db:migrate - bring the database to the newest schema

  pnpm db:migrate [--help]

Connects to DATABASE_DIRECT_URL (past PgBouncer), else DATABASE_URL. Does nothing when the schema is the newest;
several may run at once. Exit code 0, or 1 when it failed, 64 for wrong arguments, 78 without a URL.
`

function readArguments(): { help: boolean } {
  try {
    const { values } = parseArgs({
      args: process.argv.slice(2).filter((argument) => argument !== '--'),
      options: { help: { type: 'boolean', short: 'h', default: false } },
    })
    return values
  } catch (error) {
    return fail(`${messageOf(error)}\n\n${help}`, exitCodes.usage)
  }
}

if (readArguments().help) {
  process.stdout.write(help)
} else {
  const url = directUrl() ?? fail('DATABASE_DIRECT_URL or DATABASE_URL must be set', exitCodes.settings)
  try {
    await migrate({ url })
    process.stdout.write('The schema is the newest\n')
  } catch (error) {
    fail(`Not migrated: ${messageOf(error)}`, exitCodes.failed)
  }
}
