import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { REPOSITORY_ROOT } from '@reference/cli'
import {
  mysqlSettings, // part:mysql
  postgresSettings,
  redisSettings,
  type Sized,
} from '@reference/infra/size-files'
import {
  type Machine,
  mysqlFor, // part:mysql
  postgresFor,
  redisFor,
} from '@reference/infra/sizing'

export type Engine = 'postgres' | 'redis' | 'mysql'

/** What a setting should be, and why. */
export interface Rule extends Sized {
  readonly name: string
}

/** Settings that say where a server runs and logs, not how fast it is. */
const OF_THE_PLACE: Readonly<Record<Engine, RegExp>> = {
  postgres: /^(listen_addresses|log_destination|logging_collector|log_line_prefix|log_timezone|TimeZone)$/,
  redis: /^(bind|loglevel)$/,
  // part:mysql
  mysql: /^(slow_query_log_file|log_timestamps|default_time_zone|mysqlx)$/,
  // end:mysql
}

/**
 * The rules of an engine for a machine that it has for itself: each line of the file of infra with its comment. The values that
 * depend on the machine come from the sizing rule.
 */
export function rulesFor(engine: Engine, machine: Machine): Rule[] {
  const { rules, sized } = SOURCES[engine](machine)
  return rules
    .filter(({ name }) => !OF_THE_PLACE[engine].test(name))
    .map((rule) => ({ ...rule, ...sized[rule.name] }))
}

type Source = (machine: Machine) => { rules: Rule[]; sized: Readonly<Record<string, Sized>> }

const SOURCES: Readonly<Record<Engine, Source>> = {
  postgres: (machine) => ({
    rules: postgresRules(read('infra/postgres/postgresql.conf')),
    sized: postgresSettings(postgresFor(machine), machine.workload),
  }),
  redis: (machine) => ({
    rules: rulesUnderComments(read('infra/redis/redis.conf'), /^(client-output-buffer-limit \S+|\S+) (.*)$/),
    sized: redisSettings(redisFor(machine)),
  }),
  // part:mysql
  mysql: (machine) => ({
    rules: rulesUnderComments(read('infra/mysql/my.cnf'), /^(\w+) = (.*)$/),
    sized: mysqlSettings(mysqlFor(machine)),
  }),
  // end:mysql
}

const read = (path: string) => readFileSync(join(REPOSITORY_ROOT, path), 'utf8')

/** `name = value  # reason` */
function postgresRules(text: string): Rule[] {
  return text.split('\n').flatMap((line) => {
    const [, name, value = '', comment = ''] =
      /^([\w.]+) = ('[^']*'|[^\s#]+)\s*(?:#\s*(.*))?$/.exec(line) ?? []
    return name === undefined ? [] : [{ name, value: value.replaceAll("'", ''), reason: tidy(comment) }]
  })
}

/** A reason stands above its setting, or above the first of a group; without one, the headline of the section has it. */
function rulesUnderComments(text: string, setting: RegExp): Rule[] {
  const rules: Rule[] = []
  let headline = ''
  let comment: string[] = []
  let before: LineKind = 'other'
  for (const line of text.split('\n')) {
    const kind = kindOf(line, setting)
    if (kind === 'headline') headline = line.replace(/^# --- (.*?) -*$/, '$1')
    if (kind === 'comment') comment = before === 'setting' ? [line.slice(2)] : [...comment, line.slice(2)]
    if (kind === 'headline' || kind === 'other') comment = []
    if (kind === 'setting') {
      const [, name = '', value = ''] = setting.exec(line) ?? []
      rules.push({ name, value: value.replaceAll('"', ''), reason: tidy(comment.join(' ') || headline) })
    }
    before = kind
  }
  return rules
}

type LineKind = 'headline' | 'comment' | 'setting' | 'other'

function kindOf(line: string, setting: RegExp): LineKind {
  if (line.startsWith('#')) return line.startsWith('# --- ') ? 'headline' : 'comment'
  return setting.test(line) ? 'setting' : 'other'
}

/** The first sentence, without the mark of a sized line. */
function tidy(comment: string): string {
  const text = comment.replace(/^\[size\] /, '').trim()
  return /^(.{20,}?[.;:…])(?=\s+[A-Z`§])/.exec(text)?.[1]?.replace(/[.;:]$/, '') ?? text.replace(/\.$/, '')
}
