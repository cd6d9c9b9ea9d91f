import { existsSync } from 'node:fs'
import { type Browser, chromium } from 'playwright-core'

const PLACES = ['/usr/bin/chromium', '/usr/bin/chromium-browser', '/usr/bin/google-chrome']

/** The program of a Chromium on this machine: `CHROMIUM_PATH`, or where systems install it. */
export function findChromium(): string | undefined {
  return [process.env.CHROMIUM_PATH ?? '', ...PLACES].find((path) => path !== '' && existsSync(path))
}

/** Starts it without a window. Root has no sandbox. */
export function launchChromium(executablePath: string): Promise<Browser> {
  // tap's options for Node must not reach the browser's tools.
  const { NODE_OPTIONS: _, ...env } = process.env
  return chromium.launch({
    executablePath,
    args: process.getuid?.() === 0 ? ['--no-sandbox'] : [],
    env: env as Record<string, string>,
  })
}
