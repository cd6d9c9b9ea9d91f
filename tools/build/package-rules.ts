import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { Plugin } from 'esbuild'
import type { Companions } from './relative-files.ts'

/** Packages that no bundle contains: each is an optional peer, and the package that names it catches the error of its absence. */
export const ABSENT_PACKAGES = ['pg-native']

const MAPPED_STACKS = join(import.meta.dirname, 'mapped-stacks.ts')

const PISCINA_THREAD = 'piscina-thread.js'

/**
 * Piscina starts its threads from a file beside itself. In the bundle that file has a name of its own, since `worker.js` is a
 * program of the service.
 */
export function piscinaThread({ programs }: Companions): Plugin {
  return {
    name: 'piscina-thread',
    setup(build) {
      build.onLoad({ filter: /\/piscina\/dist\/index\.js$/ }, async ({ path }) => {
        const source = await readFile(path, 'utf8')
        const contents = source.replace("__dirname, 'worker.js'", `__dirname, '${PISCINA_THREAD}'`)
        if (contents === source)
          return { errors: [{ text: 'Piscina no longer names the file of its threads' }] }
        programs.set(PISCINA_THREAD, join(path, '..', 'worker.js'))
        return { contents, loader: 'js' }
      })
      // A thread has an `Error` of its own.
      build.onLoad({ filter: /\/piscina\/dist\/worker\.js$/ }, async ({ path }) => ({
        contents: `require(${JSON.stringify(MAPPED_STACKS)}).mapStacks()\n${await readFile(path, 'utf8')}`,
        loader: 'js',
      }))
    },
  }
}
