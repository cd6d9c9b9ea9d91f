import { fileURLToPath } from 'node:url'
import type { Browser, Page } from 'playwright-core'
import t from 'tap'
import { Board } from './board.ts'
import { type FaultName, type Figures, LIMITS } from './protocol.ts'
import { findChromium, launchChromium } from './testing/chromium.ts'
import { Wanted } from './wanted.ts'
import { type Commands, startWeb } from './web.ts'
import { describeWorkloads } from './workloads.ts'

t.setTimeout(120_000)

const chromium = findChromium()
const NEEDS_CHROMIUM = chromium === undefined && 'needs Chromium (CHROMIUM_PATH)'
const AXE = fileURLToPath(import.meta.resolve('axe-core/axe.min.js'))

const figures = (rate: number, fault: FaultName | null): Figures => ({
  rate: fault === null ? rate : null,
  p50: 0.4,
  p99: fault === null ? 1.5 : 900,
  cpuMicros: 40_000_000 / (rate * 30),
  tiers: { l1: 0.8, l2: 0.1, miss: 0.1, off: 0 },
  statements: fault === null ? 0.3 : null,
  commands: fault === null ? 1.2 : null,
  sent: 200,
  failures: fault === null ? {} : { timeout: 20, '503': 1 },
})

/** A board as after two minutes, with a change of a setting and a fault. */
function filledBoard(): Board {
  const board = new Board()
  board.describe({ ...describeWorkloads(), limits: LIMITS, impossible: {}, machine: 'a machine' })
  for (let turn = 0; turn < 60; turn++) {
    const fault = turn > 40 && turn < 46 ? 'redis' : null
    board.add(sampleAt(turn * 2, fault))
  }
  const callers = { sent: 1000, failures: { timeout: 20, '503': 1 }, p50: 1.1, p99: 900 }
  board.update({
    phase: 'measuring',
    message: 'Loading both copies in turns of short slices, in balanced order',
    settings: { CACHE_L1: 'off' },
    comparison: {
      turns: 64,
      rate: { ratio: 0.63, low: 0.61, high: 0.65 },
      cpu: { ratio: 1.5, low: 1.45, high: 1.56 },
      p99: { ratio: 1.1, low: 0.8, high: 1.5 },
    },
    faultReport: { name: 'redis', seconds: 9, ended: true, callers: { shipped: callers, yours: callers } },
  })
  return board
}

function sampleAt(at: number, fault: FaultName | null = null) {
  const rate = 12_000 + ((at * 37) % 900)
  return {
    at,
    fault,
    run: at < 40 ? 1 : 2,
    figures: { shipped: figures(20_000, fault), yours: figures(rate, fault) },
  }
}

/** Opens a page and collects what its console reports. */
async function openPage(browser: Browser, url: string, options: Parameters<Browser['newPage']>[0]) {
  const page = await browser.newPage(options)
  const errors: string[] = []
  page.on('console', (message) => message.type() === 'error' && errors.push(message.text()))
  page.on('pageerror', (error) => errors.push(error.message))
  await page.goto(url)
  await page.locator('#state[data-phase="measuring"]').waitFor()
  return { page, errors }
}

/** Violations of WCAG 2.2 AA and of good practice, as axe-core finds them. */
async function violationsOf(page: Page): Promise<string[]> {
  await page.addScriptTag({ path: AXE })
  return page.evaluate(`axe.run({ resultTypes: ['violations'] }).then(({ violations }) =>
    violations.map(({ id, nodes }) => id + ': ' + nodes.map(({ target }) => target.join(' ')).join(', ')))`)
}

t.test('the page in Chromium', { skip: NEEDS_CHROMIUM }, async (t) => {
  const board = filledBoard()
  const wanted = new Wanted(({ load, settings, fault }) => board.update({ load, settings, fault }))
  wanted.setSettings({ CACHE_L1: 'off' })
  const commands: Commands = {
    load: (load) => wanted.setLoad(load),
    settings: (settings) => wanted.setSettings(settings),
    fault: ({ name }) => wanted.setFault(name),
  }
  const web = await startWeb({ port: 0, board, commands })
  t.teardown(() => web.close())
  const browser = await launchChromium(chromium ?? '')
  t.teardown(() => browser.close())

  for (const colorScheme of ['light', 'dark'] as const) {
    for (const [device, width, height] of [
      ['phone', 390, 844],
      ['desktop', 1280, 800],
    ] as const) {
      await t.test(`is accessible and fits, ${colorScheme}, ${device}`, async (t) => {
        // The policy of the page forbids the test's own script.
        const options = { colorScheme, viewport: { width, height }, bypassCSP: true }
        const { page, errors } = await openPage(browser, web.url, options)
        const open = device === 'phone' ? 0 : 3
        t.equal(await page.locator('.panel[open]').count(), open, 'on a phone the results come first')
        await page.evaluate(`for (const panel of document.querySelectorAll('.panel')) panel.open = true`)
        t.same(await violationsOf(page), [], 'axe finds no violation')
        t.equal(await page.evaluate('document.documentElement.scrollWidth'), width, 'nothing is cut off')
        t.same(errors, [])
        await page.close()
      })
    }
  }

  await t.test('obeys its own policy, and does not move while figures arrive', async (t) => {
    const { page, errors } = await openPage(browser, web.url, { viewport: { width: 1280, height: 800 } })
    await page.evaluate(`window.shifts = 0
      new PerformanceObserver((list) => { for (const { value } of list.getEntries()) window.shifts += value })
        .observe({ type: 'layout-shift' })`)
    const text = page.locator('.values [data-side="yours"] dd').first()
    for (let at = 120; at < 130; at += 2) {
      board.add(sampleAt(at))
      board.update({
        comparison: { turns: at, rate: { ratio: 12.4, low: 9, high: 14 }, cpu: null, p99: null },
      })
      await page.locator('#turns', { hasText: `${at} pairs` }).waitFor()
    }
    t.equal(await text.textContent(), sampleAt(128).figures.yours.rate?.toLocaleString('en'))
    t.ok(Number(await page.evaluate('window.shifts')) < 0.01, 'no layout shift')
    t.same(errors, [])
    await page.close()
  })

  await t.test('is used with the keyboard alone', async (t) => {
    const { page } = await openPage(browser, web.url, { viewport: { width: 1280, height: 800 } })
    await page.keyboard.press('Tab')
    t.equal(await page.evaluate('document.activeElement.textContent'), 'Skip to the results')
    const pool = page.getByRole('spinbutton', { name: 'DB_POOL_MAX' })
    await pool.fill('7')
    await pool.press('Enter')
    await page.getByText('CACHE_L1=off DB_POOL_MAX=7').waitFor()
    t.same(wanted.settings, { CACHE_L1: 'off', DB_POOL_MAX: '7' })
    await pool.press('Tab')
    const focused = 'document.activeElement'
    t.equal(await page.evaluate(`${focused}.textContent`), 'Connections to Postgres')
    t.equal(await page.evaluate(`getComputedStyle(${focused}).outlineStyle`), 'solid', 'the focus is visible')
    const tier = page.getByRole('switch', { name: 'CACHE_L1' })
    await tier.press('Space')
    await page.locator('#switches-brief', { hasText: '1 changed' }).waitFor()
    t.same(wanted.settings, { DB_POOL_MAX: '7' })
    t.equal(await page.evaluate(`${focused}.id`), 'switch-CACHE_L1', 'the focus stays')
    const callers = page.getByRole('slider', { name: 'Callers' })
    await callers.press('ArrowRight')
    await page.locator('#load-brief', { hasText: '33 callers' }).waitFor()
    t.equal(await callers.getAttribute('aria-valuetext'), '33')
    await page.close()
  })

  await t.test('shows a refusal, and what state changes mean for a screen reader', async (t) => {
    const { page } = await openPage(browser, web.url, { viewport: { width: 1280, height: 800 } })
    const pool = page.getByRole('spinbutton', { name: 'DB_POOL_MAX' })
    await pool.fill('0')
    await pool.press('Enter')
    await page
      .getByRole('alert')
      .filter({ hasText: 'DB_POOL_MAX must be an integer from 1 to 500' })
      .waitFor()
    const cause = page.getByRole('button', { name: 'Cause: Redis hangs' })
    await cause.press('Enter')
    const end = page.getByRole('button', { name: 'End: Redis hangs' })
    await end.waitFor()
    t.equal(await end.getAttribute('aria-pressed'), 'true')
    t.equal(wanted.fault, 'redis')
    await end.press('Enter')
    await cause.waitFor()
    t.equal(wanted.fault, null)
    board.update({ phase: 'warming', message: 'Warming up: 40 %' })
    await page.getByRole('status').filter({ hasText: 'Warming up: 40 %' }).waitFor()
    await page.getByRole('button', { name: 'Three tables at once' }).click()
    await page.getByText('Both copies run with SHARED_READS=off in this load').waitFor()
    t.equal(wanted.load.workload, 'all')
    t.equal(await page.getByRole('slider', { name: 'Hit ratio' }).count(), 0, 'only the mix has a hit ratio')
    await page.close()
  })
})
