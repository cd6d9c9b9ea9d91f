import type { Action, Group, Options } from './command.ts'

const HELP_OPTION = ['-h, --help', 'print this text'] as const

/** The help text of a command that does something. */
export function helpOfAction(name: string, command: Action<Options>): string {
  const { summary, positionals, options = {}, details } = command
  const usage = [name, ...(positionals ? [positionals.placeholder] : []), '[options]'].join(' ')
  const rows = Object.entries(options).map(([option, { short, placeholder, help }]): [string, string] => [
    `${short === undefined ? '' : `-${short}, `}--${option}${placeholder ? ` ${placeholder}` : ''}`,
    help,
  ])
  return sections([
    `${usage}\n\n${summary}`,
    positionals && columns([[positionals.placeholder, positionals.help]]),
    columns([...rows, [...HELP_OPTION]]),
    details,
  ])
}

/** The help text of a command that has commands. */
export function helpOfGroup(name: string, { summary, commands, details }: Group): string {
  const rows = Object.entries(commands).map(([command, of]): [string, string] => {
    const usage = 'positionals' in of && of.positionals ? ` ${of.positionals.placeholder}` : ''
    return [`${command}${usage}`, of.summary]
  })
  return sections([
    `${name} <command> [options]\n\n${summary}`,
    columns(rows),
    `${name} <command> --help prints the options of one command.`,
    details,
  ])
}

function columns(rows: readonly (readonly [string, string])[]): string {
  const width = Math.max(...rows.map(([left]) => left.length))
  return rows.map(([left, right]) => `  ${left.padEnd(width)}  ${right}`).join('\n')
}

function sections(parts: readonly (string | undefined)[]): string {
  const present = parts.filter((part) => part !== undefined)
  return `${present.map((part) => part.replace(/^\n+/, '').trimEnd()).join('\n\n')}\n`
}
