import { action, CommandError, EXIT_CODES, integer, oneOf, runCommand, text } from '@reference/cli'
import { findChromium, launchChromium } from './testing/chromium.ts'
import { startLab } from './testing/run-lab.ts'

const OPTIONS = {
  out: text({ help: 'the PNG file', placeholder: 'FILE', fallback: 'docs/images/lab.png' }),
  scheme: oneOf(['light', 'dark'], { help: 'colours of the page', fallback: 'light' }),
  width: integer({ help: 'of the page in CSS pixels', minimum: 320, fallback: 1280 }),
  height: integer({ help: 'of the page in CSS pixels', minimum: 320, fallback: 860 }),
}
const START_LIMIT_MS = 120_000
const MEASURE_LIMIT_MS = 120_000
const FAULT_MS = 6000

await runCommand(
  'node bench/lab/screenshot.ts',
  action({
    summary: 'Take a picture of the lab with everything untuned, after a fault (needs Chromium, 2 minutes).',
    options: OPTIONS,
    async run({ out, scheme, width, height }) {
      const chromium = findChromium()
      if (chromium === undefined) throw new CommandError('There is no Chromium; CHROMIUM_PATH may name one')
      const lab = await startLab([])
      const browser = await launchChromium(chromium)
      try {
        const page = await browser.newPage({ colorScheme: scheme, viewport: { width, height } })
        await page.goto(lab.url)
        await page.locator('#state[data-phase="measuring"]').waitFor({ timeout: START_LIMIT_MS })
        // At least 28 pairs of slices.
        const isMeasured = page.locator('#turns', { hasText: /^(2[89]|[3-9]\d|\d{3,}) pairs/ })
        const noRatio = page.locator('#turns', { hasText: /^0 pairs/ })
        const measured = async () => {
          await noRatio.waitFor({ timeout: MEASURE_LIMIT_MS })
          await isMeasured.waitFor({ timeout: MEASURE_LIMIT_MS })
        }
        await isMeasured.waitFor({ timeout: MEASURE_LIMIT_MS })
        // On a phone the panels are closed at first.
        await page.evaluate("for (const panel of document.querySelectorAll('details')) panel.open = true")
        await page.getByRole('button', { name: 'All untuned' }).click()
        await measured()
        await page.getByRole('button', { name: 'Cause: Redis hangs' }).click()
        await page.waitForTimeout(FAULT_MS)
        await page.getByRole('button', { name: 'End: Redis hangs' }).click()
        await measured()
        await page.evaluate('document.activeElement.blur(); scrollTo(0, 0); document.forms[0].scrollTo(0, 0)')
        await page.screenshot({ path: out })
      } finally {
        await browser.close()
        await lab.stop()
      }
      return EXIT_CODES.OK
    },
  }),
)
