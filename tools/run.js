// node tools/run.js FILE.ts [argument …]: runs a script of package.json, once the Node that starts it is the pinned one.
//
// The pinned Node is put into node_modules by the install script of the package `node`. Without it pnpm falls back to the Node
// on PATH, which may be too old to load a .ts file, so this file is plain JavaScript that Node 20 and older versions can run.
import { existsSync, readFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'

const root = fileURLToPath(new URL('../', import.meta.url))
const { devDependencies, packageManager } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'))
const pnpm = `npx -y ${packageManager}`

const majorOf = (version) => Number(version.split('.')[0])

/** Why there is no pinned Node, and the line to type. */
const remedy = () => {
  const folder = join(root, 'node_modules', 'node')
  if (!existsSync(folder)) return `Its packages are not installed. Type:\n\n  ${pnpm} install\n`
  if (['node', 'node.exe'].some((name) => existsSync(join(folder, 'bin', name)))) {
    return `It is installed, but this command was not started with it. Type:\n\n  ${pnpm} <script>\n`
  }
  return `The package is there, but its install script has not run or has failed. The usual cause is the setting ignore-scripts
(in the environment pnpm_config_ignore_scripts, or ignoreScripts in pnpm's config.yaml). To allow the install scripts for
this clone, type:

  pnpm_config_ignore_scripts=false ${pnpm} rebuild

and repeat the command. It runs the scripts of the packages under allowBuilds in pnpm-workspace.yaml (Node, the Postgres
binaries, esbuild) and of no other package. docs/TROUBLESHOOTING.md, "Install scripts", has the details.
`
}

const [file, ...args] = process.argv.slice(2)
if (majorOf(process.versions.node) < majorOf(devDependencies.node)) {
  process.stderr.write(
    `This command needs Node ${devDependencies.node}, which comes with the npm package \`node\`; it was started with Node ${process.versions.node} (${process.execPath}).\n${remedy()}`,
  )
  // EX_CONFIG of sysexits.h.
  process.exitCode = 78
} else {
  const path = resolve(file)
  process.argv = [process.execPath, path, ...args]
  try {
    await import(pathToFileURL(path).href)
  } catch (error) {
    const [, name] = /^Cannot find package '(.+?)'/.exec(error.message) ?? []
    if (error.code !== 'ERR_MODULE_NOT_FOUND' || name === undefined) throw error
    process.stderr.write(
      `The package ${name} is not installed. Type:\n\n  ${pnpm} install\n\nWithout a network, packages that were installed on this machine before suffice: ${pnpm} install --offline\n`,
    )
    process.exitCode = 78
  }
}
