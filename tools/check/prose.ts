import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { REPOSITORY_ROOT } from '@reference/cli'
import { repositoryFiles } from './sources.ts'

/** Phrases without a noun as their subject, or in place of a term of the field, and what to write instead. */
const PHRASES: readonly [phrase: RegExp, advice: string][] = [
  [/\b(nobody|somebody|whoever|whom)\b/i, 'name the caller, the process or the reader'],
  [/\bwho (waits|asks|comes|calls|reads|has to|left)\b/i, 'name the caller, the process or the reader'],
  [/\bwhat (comes|waits|is left|is there|was found)\b/i, 'name the thing'],
  [/\bthose (that|who|which)\b/i, 'repeat the noun'],
  [/\b(is|are|be|was|were|been|being) told\b/i, 'write "is logged", "is reported" or "receives"'],
  [/\btold so\b/i, 'write what is reported'],
  [/\b(is|are|be|was|were|been) away\b/i, 'write "is unavailable"'],
  [/\bso many\b/i, 'write the number or "this many"'],
  [/\bunder way\b/i, 'write "in flight" or "in progress"'],
  [/\bfor ever\b/i, 'write "forever" or the time'],
]

const FILES = [
  '*.ts',
  '*.md',
  '*.yml',
  '*.yaml',
  '*.conf',
  '*.cnf',
  '*.ini',
  '*.sh',
  '*.sql',
  '*.json',
  '.env.example',
  'Dockerfile',
  '*.alloy',
  '*.cfg',
]
const EXCLUDED =
  /^tools\/check\/prose\.ts$|^pnpm-lock\.yaml$|^bench\/(baselines|test)\/|\/migrations\/|testing\/recorded/
/** `nobody` as the name of a Unix user. */
const UNIX_USER = /user(:|=| )\s*["']?nobody|nobody:no(group|body)|['"]nobody['"]/

/** Lines of prose that contain one of the phrases. */
export function proseFaults(): string[] {
  return repositoryFiles(...FILES)
    .filter((path) => !EXCLUDED.test(path))
    .flatMap((path) =>
      readFileSync(join(REPOSITORY_ROOT, path), 'utf8')
        .split('\n')
        .flatMap((line, index) => faultsOfLine(line).map((fault) => `${path}:${index + 1}: ${fault}`)),
    )
}

function faultsOfLine(line: string): string[] {
  if (UNIX_USER.test(line)) return []
  return PHRASES.flatMap(([phrase, advice]) => {
    const [found] = phrase.exec(line) ?? []
    return found === undefined ? [] : [`"${found}": ${advice}`]
  })
}
