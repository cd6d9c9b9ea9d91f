import { abortable } from '@reference/async'
import type { Runner } from './runner.ts'

type Task = (task: unknown) => unknown

/**
 * Runs tasks in the thread of the caller. An abort ends the wait only: the task goes on.
 *
 * @param url of the module whose exports are the tasks
 */
export function createMainThread(url: URL): Runner {
  const module: Promise<Record<string, unknown>> = import(url.href)
  // The first task reports the error.
  module.catch(() => {})
  return {
    queueSize: 0,
    async run(task, { name = 'default' }, signal) {
      const exported = (await module)[name]
      if (typeof exported !== 'function') throw new TypeError(`${url.href} exports no function ${name}`)
      signal.throwIfAborted()
      return abortable(Promise.resolve((exported as Task)(task)), signal)
    },
    destroy: async () => {},
  }
}
