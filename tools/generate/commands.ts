import { spawnSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { REPOSITORY_ROOT, replaceBetween } from '@reference/cli'
import type { GeneratedFiles } from './generated-files.ts'
import { commandsOf, type Help, summaryOf } from './help-text.ts'

const PAGE = 'docs/COMMANDS.md'
const OWN_SCRIPT = /^node tools\/run\.js (\S+)$/
/** Scripts that call a program of another project, whose help is long. */
const OTHERS: Readonly<Record<string, string>> = {
  format: 'Format all files, and apply safe fixes of lint faults.',
  'db:generate': 'Write a migration after a change of a `table.ts` in `packages/shop/src`: `--name NAME`.',
}

/** docs/COMMANDS.md: the scripts of package.json with the first sentence of their help. */
export function commandFiles(): GeneratedFiles {
  const { scripts } = JSON.parse(readFileSync(join(REPOSITORY_ROOT, 'package.json'), 'utf8')) as {
    scripts: Readonly<Record<string, string>>
  }
  const own = Object.entries(scripts).flatMap(([name, line]) => {
    const [, file] = OWN_SCRIPT.exec(line) ?? []
    return file === undefined ? [] : [{ name, file }]
  })
  const help = helpOf(own.map(({ file }) => file))
  // pnpm calls `postinstall` itself.
  const called = Object.keys(scripts).filter((name) => name !== 'postinstall')
  const summaries = called.map((name) => {
    const file = own.find((each) => each.name === name)?.file
    const summary = file === undefined ? OTHERS[name] : summaryOf(help[file]?.text ?? '')
    if (summary === undefined || summary === '') throw new Error(`The script ${name} has no summary`)
    return [`pnpm ${name}`, summary] as const
  })
  const parts = own.flatMap(({ name, file }) => {
    const rows = rowsOf(help[file])
    return rows.length === 0 ? [] : [`\n## pnpm ${name}\n\n${table(rows)}`]
  })
  const page = readFileSync(join(REPOSITORY_ROOT, PAGE), 'utf8')
  return new Map([[PAGE, replaceBetween(page, 'commands', [table(summaries), ...parts].join(''))]])
}

function helpOf(files: readonly string[]): Readonly<Record<string, Help>> {
  const { NODE_OPTIONS: _, ...env } = process.env
  const { status, stdout, stderr } = spawnSync(
    process.execPath,
    [join('tools', 'generate', 'print-help.ts'), ...files],
    { cwd: REPOSITORY_ROOT, encoding: 'utf8', env },
  )
  if (status !== 0) throw new Error(`The help of the scripts cannot be read:\n${stderr}`)
  return JSON.parse(stdout)
}

/** A row for each command; the commands of a group take the place of the group. */
function rowsOf(help: Help | undefined): (readonly [usage: string, summary: string])[] {
  return commandsOf(help?.text ?? '').flatMap(({ name, usage, summary }) => {
    const inner = rowsOf(help?.commands[name]).map(([below, text]) => [`${name} ${below}`, text] as const)
    return inner.length > 0 ? inner : [[usage, summary] as const]
  })
}

function table(rows: readonly (readonly [command: string, summary: string])[]): string {
  const lines = rows.map(([command, summary]) => `| \`${command.replaceAll('|', '\\|')}\` | ${summary} |\n`)
  return `| command | what it does |\n|---|---|\n${lines.join('')}`
}
