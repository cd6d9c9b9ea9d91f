import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { pathToFileURL } from 'node:url'
import {
  action,
  CommandError,
  EXIT_CODES,
  integer,
  oneOf,
  REPOSITORY_ROOT,
  runCommand,
  text,
} from '@reference/cli'
import { findChromium, launchChromium } from './lab/testing/chromium.ts'
import { renderReport } from './src/report/html.ts'
import { readResults } from './src/report/results-file.ts'

const OPTIONS = {
  results: text({
    help: 'of a run of pnpm bench',
    placeholder: 'FILE',
    fallback: 'bench/baselines/2-cores.json',
  }),
  out: text({ help: 'the PNG file', placeholder: 'FILE', fallback: 'docs/images/report.png' }),
  scheme: oneOf(['light', 'dark'], { help: 'colours of the page', fallback: 'light' }),
  width: integer({ help: 'of the page in CSS pixels', minimum: 320, fallback: 1000 }),
  height: integer({ help: 'of the page in CSS pixels', minimum: 320, fallback: 860 }),
}

await runCommand(
  'node bench/report-screenshot.ts',
  action({
    summary: 'Take a picture of the report of committed results (needs Chromium).',
    options: OPTIONS,
    async run({ results, out, scheme, width, height }) {
      const chromium = findChromium()
      if (chromium === undefined) throw new CommandError('There is no Chromium; CHROMIUM_PATH may name one')
      const folder = mkdtempSync(join(tmpdir(), 'report-'))
      const browser = await launchChromium(chromium)
      try {
        const file = join(folder, 'report.html')
        writeFileSync(file, renderReport(readResults(join(REPOSITORY_ROOT, results))))
        const page = await browser.newPage({ colorScheme: scheme, viewport: { width, height } })
        await page.goto(pathToFileURL(file).href)
        await page.screenshot({ path: resolve(REPOSITORY_ROOT, out) })
      } finally {
        await browser.close()
        rmSync(folder, { recursive: true })
      }
      return EXIT_CODES.OK
    },
  }),
)
