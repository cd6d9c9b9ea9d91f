/**
 * Prints the help texts of scripts as one JSON object from the script's file to its texts: `node tools/generate/print-help.ts FILE…`.
 * A script is a module that reads `process.argv` while it is loaded. One process loads all of them, because they share most modules.
 */
import { resolve } from 'node:path'
import { pathToFileURL } from 'node:url'
import { commandsOf, type Help, isGroup } from './help-text.ts'

const print = process.stdout.write.bind(process.stdout)
const files = process.argv.slice(2)
let loads = 0

/** The text of the command with these names, followed by the texts of the commands below it. */
async function helpOf(file: string, names: readonly string[]): Promise<Help> {
  let text = ''
  process.stdout.write = (chunk: string | Uint8Array) => {
    text += chunk
    return true
  }
  process.argv = [process.execPath, file, ...names, '--help']
  // A new address loads the module again.
  await import(`${pathToFileURL(resolve(file))}?${loads++}`)
  const commands: Record<string, Help> = {}
  if (isGroup(text)) {
    for (const { name } of commandsOf(text)) commands[name] = await helpOf(file, [...names, name])
  }
  return { text, commands }
}

const all: Record<string, Help> = {}
for (const file of files) all[file] = await helpOf(file, [])
print(JSON.stringify(all))
