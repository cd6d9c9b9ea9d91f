import { join, relative, resolve } from 'node:path'
import {
  action,
  formatBytes,
  formatTable,
  REPOSITORY_ROOT,
  runCommand,
  text,
  texts,
  UsageError,
} from '@reference/cli'
import { buildService } from './build.ts'
import { homeOf, programsOf, SERVICE_NAMES } from './programs.ts'

const DETAILS = `
dist/<service>/ needs no other file: node dist/reference-api/main.js starts with the Node of this repository and the environment
that services/reference-api/src/main.ts takes. Exit code 0, 1 when a source does not bundle, 64 for wrong arguments.
`

await runCommand(
  'pnpm build',
  action({
    summary: 'Bundle each program of the services into one file, in dist/.',
    options: {
      to: text({ placeholder: 'FOLDER', help: 'write here (dist)', fallback: 'dist' }),
      program: texts({ placeholder: 'NAME', help: 'this program only, such as main; may be repeated' }),
    },
    details: DETAILS,
    async run({ to, program: chosen = [] }) {
      const unknown = chosen.find((name) => SERVICE_NAMES.every((service) => !(name in programsOf(service))))
      if (unknown !== undefined) throw new UsageError(`No service has a program ${unknown}`)
      const rows: string[][] = []
      for (const service of SERVICE_NAMES) {
        const outdir = join(resolve(REPOSITORY_ROOT, to), service)
        const programs = Object.entries(programsOf(service)).filter(
          ([name]) => chosen.length === 0 || chosen.includes(name),
        )
        const files = await buildService(Object.fromEntries(programs), homeOf(service), outdir)
        for (const { name, bytes } of files)
          rows.push([join(relative(REPOSITORY_ROOT, outdir), name), formatBytes(bytes)])
      }
      process.stdout.write(formatTable(['file', 'size'], rows))
      return 0
    },
  }),
)
