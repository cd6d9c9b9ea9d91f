import { findChromium, launchChromium } from '@reference/bench/testing/chromium'
import { startService, testDatabase } from '@reference/local-stack'
import t from 'tap'

const chromium = findChromium()
const NEEDS_CHROMIUM = chromium === undefined && 'needs Chromium (CHROMIUM_PATH)'
/** The background of Swagger UI's dark style is this dark, or darker. */
const DARK = /^rgb\((?:[0-5]?\d), (?:[0-5]?\d), (?:[0-5]?\d)\)$/

t.test('/docs in Chromium', { skip: NEEDS_CHROMIUM }, async (t) => {
  const { url: DATABASE_URL } = await testDatabase(t)
  const url = await startService(t, 'reference-api', { DATABASE_URL }).listening()
  const browser = await launchChromium(chromium ?? '')
  t.teardown(() => browser.close())

  // The style for a phone and the dark one do not depend on each other, so two of the four pairs are enough.
  for (const [colorScheme, width] of [
    ['light', 1280],
    ['dark', 390],
  ] as const) {
    await t.test(`an operation can be tried, and fits, ${colorScheme}, ${width} px`, async (t) => {
      const page = await browser.newPage({ colorScheme, viewport: { width, height: 844 } })
      const faults: string[] = []
      page.on('pageerror', ({ message }) => faults.push(message))
      page.on('console', (line) => line.type() === 'error' && faults.push(line.text()))
      page.on('request', (request) => request.url().startsWith(url) || faults.push(request.url()))
      await page.goto(url)
      const operation = page.locator('#operations-users-getUser')
      await operation.locator('.opblock-summary-control').click()
      await operation.getByRole('button', { name: 'Try it out' }).click()
      await operation.locator('input').first().fill('42')
      await operation.getByRole('button', { name: 'Execute' }).click()
      await operation.locator('.live-responses-table', { hasText: '"id": 42' }).waitFor()

      await operation.getByRole('tab', { name: 'Schema' }).first().click()
      const documented = operation.locator('.response-col_description', { has: page.locator('.model-box') })
      const { width: room = 0 } = (await documented.first().boundingBox()) ?? {}
      t.ok(room > width / 2, `the schema of a reply has ${room} px`)

      t.equal(new URL(page.url()).pathname, '/docs', '/ leads to the page')
      t.equal(await page.title(), 'Reference API')
      t.equal(await page.evaluate('document.documentElement.scrollWidth'), width, 'nothing is cut off')
      const ground = String(await page.evaluate('getComputedStyle(document.documentElement).backgroundColor'))
      t.equal(DARK.test(ground), colorScheme === 'dark', ground)
      t.same(faults, [], 'no error, and no request to another origin')
      await page.close()
    })
  }
})
