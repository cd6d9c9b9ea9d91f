import { setTimeout as delay } from 'node:timers/promises'

/** Waits until `condition` holds; fails after the limit, naming what was waited for. */
export async function until(
  what: string,
  condition: () => boolean | Promise<boolean>,
  limitMs = 10_000,
): Promise<void> {
  const end = performance.now() + limitMs
  while (!(await condition())) {
    if (performance.now() > end) throw new Error(`waited ${limitMs} ms in vain: ${what}`)
    await delay(5)
  }
}
