/** The help text of a command, and of the commands of a group. */
export interface Help {
  readonly text: string
  readonly commands: Readonly<Record<string, Help>>
}

/** A line of the list of commands in a help text. */
export interface CommandLine {
  readonly name: string
  /** The name with its arguments. */
  readonly usage: string
  readonly summary: string
}

/** Whether it is the text of a command that only has commands, such as `pnpm ops`. */
export function isGroup(text: string): boolean {
  return / <command> \[options\]$/m.test(text.slice(0, text.indexOf('\n')))
}

/** The first sentence after the usage. */
export function summaryOf(text: string): string {
  const [, paragraph = ''] = text.split('\n\n')
  return /^.*?\.(?= [A-Z]|$)/.exec(paragraph.replaceAll('\n', ' '))?.[0] ?? paragraph
}

/** The commands that a text lists: all of a group, or the section "Commands" of a command that also runs by itself. */
export function commandsOf(text: string): CommandLine[] {
  const [, , list = '', ...others] = text.split('\n\n')
  const paragraph = isGroup(text) ? list : others.find((each) => each.startsWith('Commands\n'))
  return [...(paragraph ?? '').matchAll(/^ {2}(\S.*?) {2,}(.+)$/gm)].map(([, left = '', summary = '']) => {
    const usage = left.replace(/^pnpm \S+ /, '')
    return { name: usage.replace(/ .*/, ''), usage, summary }
  })
}
