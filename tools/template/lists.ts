/**
 * Takes a name out of the lists of a text: elements of `[a, b]`, alternatives of `a|b|c` in regular expressions, members of
 * `'a' | 'b'`.
 */
export function removeFromLists(text: string, name: string): string {
  const element = `['"\`]?${escaped(name)}['"\`]?`
  // Inside of brackets or braces; an argument of a call is no element of a list.
  const inside = '(?<=[\\[{][^\\[\\](){}]*'
  return text
    .replaceAll(new RegExp(`${inside}[\\[{,]\\s*)${element},\\s*(?=[^\\s\\])}])`, 'g'), '')
    .replaceAll(new RegExp(`(?<=[\\[{]\\s*)${element},\\s*(?=[^\\s\\])}])`, 'g'), '')
    .replaceAll(new RegExp(`${inside}),\\s*${element}(?=,?\\s*[\\])}])`, 'g'), '')
    .replaceAll(new RegExp(`(?<=\\[)${element}(?=\\])`, 'g'), '')
    .replaceAll(new RegExp(`'${escaped(name)}' \\| (?=')`, 'g'), '')
    .replaceAll(new RegExp(`(?<=') \\| '${escaped(name)}'`, 'g'), '')
    .replaceAll(new RegExp(`(?<=[\\w-]\\|)${escaped(name)}\\|(?=[\\w-])`, 'g'), '')
    .replaceAll(new RegExp(`(?<=[\\w-])\\|${escaped(name)}(?![\\w-])`, 'g'), '')
    .replaceAll(new RegExp(`(?<![\\w|-])${escaped(name)}\\|(?=[\\w-])`, 'g'), '')
}

/** Takes a name out of enumerations in sentences: "A, B, C and D", "A and B". */
export function removeFromSentences(text: string, title: string): string {
  const name = `\`?${escaped(title)}(?: \\d[\\d.]*)?\`?`
  return text
    .replaceAll(new RegExp(`${name},(\\s+)(?=\\S+(?: \\d[\\d.]*)?(?:,| and | or ))`, 'g'), '')
    .replaceAll(new RegExp(`,(\\s+)${name}(?=,)`, 'g'), '')
    .replaceAll(new RegExp(`,(\\s+)([\\w\`.]+(?: \\d[\\d.]*)?) (and|or)(\\s+)${name}\\b`, 'g'), ' $3$1$2')
    .replaceAll(new RegExp(`(?<=\\S)(\\s+)(and|or)(\\s+)${name}(?![\\w-])(?! of)`, 'g'), '')
    .replaceAll(new RegExp(`${name} (?:and|or)\\s+(?=[A-Z\`])`, 'g'), '')
    .replaceAll(new RegExp(`,(\\s+)${name}(?=\\s*(?:$|[.)|:;]))`, 'gm'), '')
}

export function escaped(text: string): string {
  return text.replaceAll(/[.*+?^${}()|[\]\\/]/g, '\\$&')
}
