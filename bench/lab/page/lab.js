// The page of `pnpm lab`: one module, no build step. Events of the server come in, commands go out; protocol.ts has their shapes.
import uPlot from './uPlot.js'

const SIDES = ['shipped', 'yours']
const NAMES = { shipped: 'Shipped', yours: 'Yours' }
const WINDOW_SECONDS = 120
const SYNC = uPlot.sync('lab')

const byId = (id) => document.getElementById(id)

let about
let state
let samples = []
let isPaused = false
let charts = []

// ---------------------------------------------------------------------------------------------------------------- Formats

const whole = new Intl.NumberFormat('en', { maximumFractionDigits: 0 })

/** Three significant digits, so that a column of figures has a calm width. */
function short(value) {
  if (value === null || value === undefined || Number.isNaN(value)) return '–'
  if (value === 0) return '0'
  if (value >= 100) return whole.format(value)
  if (value >= 10) return value.toFixed(1)
  return value.toFixed(2)
}

/** A share with at most one digit after the point; below that it says so, because no failure and few are not the same. */
function percentText(share) {
  const value = 100 * share
  return value > 0 && value < 0.1 ? '< 0.1 %' : `${Number(value.toFixed(1))} %`
}

function ratioText(ratio) {
  return `${ratio >= 100 ? ratio.toFixed(0) : ratio >= 10 ? ratio.toFixed(1) : ratio.toFixed(2)}×`
}

function element(tag, properties = {}, ...children) {
  const made = Object.assign(document.createElement(tag), properties)
  made.append(...children)
  return made
}

function setText(node, text) {
  if (node.textContent !== text) node.textContent = text
}

// --------------------------------------------------------------------------------------------------------------- Commands

/** Sends a command; the server answers with a new state on the event stream. */
async function send(name, body) {
  try {
    const reply = await fetch(`commands/${name}`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify(body),
    })
    refusal = reply.ok ? '' : (await reply.json()).detail
  } catch {
    refusal = 'The lab does not answer: has it ended?'
  }
  showProblem()
  showControls()
}

/** The reason why the last command was refused; until the next command. */
let refusal = ''

function showProblem() {
  const text = state?.phase === 'refused' ? state.message : refusal
  const problem = byId('problem')
  problem.hidden = text === ''
  setText(problem, text)
}

const sendLoad = (change) => send('load', { ...state.load, ...change })
const sendSettings = (settings) => send('settings', settings)

// --------------------------------------------------------------------------------------------------------------- Controls

const SLIDERS = {
  callers: (value) => whole.format(value),
  ratePerSecond: (value) => `${whole.format(value)}/s`,
  hitRatio: (value) => `${Math.round(value * 100)} %`,
  writeShare: (value) => `${Math.round(value * 100)} %`,
}

function buildControls() {
  // On a phone the results come first, and the panels open at a touch. Not again after a lost connection.
  if (charts.length === 0 && matchMedia('(max-width: 900px)').matches) {
    for (const panel of document.querySelectorAll('.panel')) panel.open = false
  }
  const select = byId('workload')
  select.replaceChildren(
    ...about.workloads.map(({ name, title }) => element('option', { value: name, textContent: title })),
  )
  select.onchange = () => chooseWorkload(select.value)
  for (const [name, format] of Object.entries(SLIDERS)) buildSlider(name, format)
  byId('all-shipped').onclick = () => sendSettings({})
  byId('all-untuned').onclick = () =>
    sendSettings(Object.fromEntries(about.switches.map(({ name, untuned }) => [name, untuned])))
  byId('faults').replaceChildren(...Object.keys(FAULTS).map(faultRow))
  const pause = byId('pause')
  pause.onclick = () => {
    isPaused = !isPaused
    pause.setAttribute('aria-pressed', String(isPaused))
    draw()
  }
}

function buildSlider(name, format) {
  const slider = byId(name)
  const { minimum, maximum } = about.limits[name]
  slider.min = minimum
  slider.max = maximum
  const output = slider.parentElement.querySelector('output')
  const show = () => {
    setText(output, format(Number(slider.value)))
    slider.setAttribute('aria-valuetext', output.textContent)
  }
  slider.oninput = () => {
    slider.dataset.held = 'true'
    show()
  }
  slider.onchange = () => {
    delete slider.dataset.held
    sendLoad({ [name]: Number(slider.value) })
  }
  slider.show = (value) => {
    // A slider that is being dragged does not jump back to the state of the server.
    if (slider.dataset.held === undefined) slider.value = value
    show()
  }
}

function chooseWorkload(name) {
  const { callers, ratePerSecond } = about.workloads.find((workload) => workload.name === name)
  return sendLoad({ workload: name, callers, ratePerSecond })
}

function showControls() {
  if (about === undefined || state === undefined) return
  const { load } = state
  const workload = presentWorkload()
  byId('workload').value = load.workload
  setText(byId('workload-about'), `${workload.about}${environmentText(workload)}`)
  for (const name of Object.keys(SLIDERS)) byId(name).show(load[name])
  for (const slider of document.querySelectorAll('[data-mix]')) slider.hidden = !workload.hasSliders
  setText(byId('load-brief'), `${whole.format(load.callers)} callers, ${load.ratePerSecond}/s`)
  showSwitches(workload)
  showFaults()
}

function presentWorkload() {
  return about.workloads.find(({ name }) => name === state.load.workload) ?? about.workloads[0]
}

function environmentText({ environment }) {
  const pairs = Object.entries(environment).map(([name, value]) => `${name}=${value}`)
  return pairs.length === 0 ? '' : ` Both copies run with ${pairs.join(', ')} in this load.`
}

const switchRows = new Map()

function showSwitches(workload) {
  for (const each of about.switches) {
    if (!switchRows.has(each.name)) switchRows.set(each.name, switchRow(each))
    const row = switchRows.get(each.name)
    const isShown = each.workload === workload.name
    const list = byId(isShown ? 'switches-shown' : 'switches-other')
    // Moving a row would take the focus from it.
    if (row.parentElement !== list) list.append(row)
    row.show(state.settings[each.name] ?? each.shipped, isShown)
  }
  const changed = Object.keys(state.settings).length
  setText(byId('switches-brief'), changed === 0 ? 'all as shipped' : `${changed} changed`)
  setText(byId('yours-settings'), changed === 0 ? 'all as shipped' : settingsText(state.settings))
}

function settingsText(settings) {
  const pairs = Object.entries(settings).map(([name, value]) => `${name}=${value}`)
  return pairs.length > 4 ? `${pairs.slice(0, 3).join(' ')} and ${pairs.length - 3} more` : pairs.join(' ')
}

function switchRow({ name, description, isNumber, shipped, untuned, unit, workload, hint }) {
  const input = element('input', { id: `switch-${name}`, type: isNumber ? 'number' : 'checkbox' })
  if (isNumber) input.min = 0
  else input.setAttribute('role', 'switch')
  input.setAttribute('aria-describedby', `about-${name}`)
  input.onchange = () => {
    const value = isNumber ? input.value : input.checked ? 'on' : 'off'
    const { [name]: _, ...others } = state.settings
    return sendSettings(value === shipped || value === '' ? others : { ...others, [name]: value })
  }
  const label = element('label', { htmlFor: input.id }, element('code', { textContent: name }))
  const values = isNumber ? ` Shipped ${shipped}${unit && ` ${unit}`}, untuned ${untuned}.` : ''
  const text = element('p', { id: `about-${name}`, textContent: `${description}${values}` })
  const elsewhere = element('p', {}, 'Shown by: ', workloadButton(workload))
  const here = element('p', { textContent: hint === '' ? '' : `Shown here ${hint}.` })
  const changed = element('span', { className: 'changed', textContent: 'changed' })
  const row = element(
    'li',
    {},
    element('div', { className: 'switch' }, label, changed, input),
    text,
    elsewhere,
    here,
  )
  row.show = (value, isShown) => {
    if (isNumber && document.activeElement !== input) input.value = value
    if (!isNumber) input.checked = value === 'on'
    row.toggleAttribute('data-changed', value !== shipped)
    elsewhere.hidden = isShown
    here.hidden = !isShown || hint === ''
  }
  return row
}

function workloadButton(name) {
  const { title } = about.workloads.find((workload) => workload.name === name)
  const button = element('button', { type: 'button', className: 'link', textContent: title })
  button.onclick = () => chooseWorkload(name)
  return button
}

const FAULTS = {
  redis: ['Redis hangs', 'It accepts connections and answers nothing.'],
  postgres: ['Postgres pauses', 'Each session stops where it is.'],
  replica: ['A replica is killed', 'Each copy gets a second replica, and the first is killed.'],
}

function faultRow(name) {
  const [title, text] = FAULTS[name]
  const button = element('button', { type: 'button', id: `fault-${name}` })
  button.setAttribute('aria-label', `Cause: ${title}`)
  button.onclick = () => send('fault', { name: state.fault === name ? 'none' : name })
  const impossible = about.impossible[name]
  button.disabled = impossible !== undefined
  return element(
    'li',
    {},
    element('span', { textContent: title }),
    button,
    element('p', { textContent: impossible ?? text }),
  )
}

function showFaults() {
  for (const [name, [title]] of Object.entries(FAULTS)) {
    const button = byId(`fault-${name}`)
    const isOn = state.fault === name
    button.setAttribute('aria-pressed', String(isOn))
    button.setAttribute('aria-label', `${isOn ? 'End' : 'Cause'}: ${title}`)
    setText(button, isOn ? 'End' : 'Cause')
  }
  setText(byId('faults-brief'), state.fault === null ? 'none' : FAULTS[state.fault][0])
}

// ---------------------------------------------------------------------------------------------------------------- Results

function showState() {
  byId('state').dataset.phase = state.phase
  const isProblem = state.phase === 'refused'
  setText(
    byId('state-text'),
    isProblem ? 'A copy does not run. Change a setting to start it again' : state.message,
  )
  showProblem()
  if (about === undefined) return
  showComparison()
  showFaultReport()
}

const METRICS = {
  rate: ['Requests a second', 'requests a second', true],
  cpu: ['CPU a request', 'CPU time a request', false],
  p99: ['p99 latency', 'p99 latency', false],
}

function showComparison() {
  const { comparison, generatorBusy } = state
  const { primary } = presentWorkload()
  const main = comparison[primary]
  setText(byId('ratio'), main === null ? '–' : ratioText(main.ratio))
  setText(byId('verdict'), verdictOf(main, primary))
  const largest = scaleOf(Object.keys(METRICS).flatMap((name) => comparison[name] ?? []))
  byId('intervals').replaceChildren(
    ...Object.keys(METRICS).map((name) => intervalRow(name, comparison[name], largest)),
  )
  byId('scale').replaceChildren(
    ...[1 / largest, 1, largest].map((value) =>
      element('span', { textContent: `${Number(value.toPrecision(2))}×` }),
    ),
  )
  const turns = comparison.turns === 1 ? 'one pair of slices' : `${comparison.turns} pairs of slices`
  const busy = generatorBusy ? ' The load generator is the limit here: take fewer callers.' : ''
  setText(byId('turns'), `${turns[0].toUpperCase()}${turns.slice(1)} since the last change.${busy}`)
}

function verdictOf(main, primary) {
  const [, name, isBetterHigher] = METRICS[primary]
  if (main === null) return 'The ratio appears after a few turns.'
  if (main.low <= 1 && main.high >= 1) {
    const same = Object.keys(state.settings).length === 0
    return `No difference detected in ${name}${same ? ': both copies have the same settings' : ''}.`
  }
  const isBetter = main.ratio > 1 === isBetterHigher
  return `Yours has ${ratioText(main.ratio)} the ${name} of shipped: ${isBetter ? 'better' : 'worse'}.`
}

/** The scale is logarithmic with 1 in its middle, and grows in steps, so that it does not move with each turn. */
const SCALES = [1.25, 2, 4, 10, 50, 1000]

function scaleOf(intervals) {
  const fits = (each) => intervals.every(({ low, high }) => high <= each && low >= 1 / each)
  return SCALES.find(fits) ?? SCALES.at(-1)
}

function intervalRow(name, interval, largest) {
  const [label] = METRICS[name]
  const cells = [element('th', { scope: 'row', textContent: label })]
  if (interval === null) {
    cells.push(element('td', { textContent: '–' }), element('td', { textContent: '–' }), element('td'))
    return element('tr', {}, ...cells)
  }
  const { ratio, low, high } = interval
  const at = (value) => {
    const share = 0.5 + Math.log(value) / Math.log(largest) / 2
    return `${(Math.min(1, Math.max(0, share)) * 100).toFixed(2)}%`
  }
  const scale = element(
    'span',
    { className: 'scale' },
    element('i', { className: 'one' }),
    element('i', { className: 'span' }),
    element('i', { className: 'mark' }),
  )
  scale.setAttribute('aria-hidden', 'true')
  for (const [property, value] of Object.entries({ low, high, ratio }))
    scale.style.setProperty(`--${property}`, at(value))
  cells.push(
    element('td', { textContent: ratioText(ratio) }),
    element('td', { textContent: `${low.toFixed(2)}–${high.toFixed(2)}` }),
    element('td', {}, scale),
  )
  return element('tr', {}, ...cells)
}

const CALLERS = {
  'Requests sent': ({ sent }) => whole.format(sent),
  Answered: (callers) => shareOf(callers, callers.sent - failedCalls(callers)),
  'Gave up after 1 s': (callers) => shareOf(callers, callers.failures.timeout ?? 0),
  'Refused or lost': (callers) => shareOf(callers, callers.failures.connection ?? 0),
  'Answered with an error': (callers) => `${shareOf(callers, errorReplies(callers))}${codesOf(callers)}`,
  'Latency p50': ({ p50 }) => `${short(p50)} ms`,
  'Latency p99': ({ p99 }) => `${short(p99)} ms`,
}

function showFaultReport() {
  const report = state.faultReport
  byId('fault-rows').replaceChildren(
    ...Object.entries(CALLERS).map(([label, textOf]) =>
      element(
        'tr',
        {},
        element('th', { scope: 'row', textContent: label }),
        ...SIDES.map((side) =>
          element('td', { textContent: report === null ? '–' : textOf(report.callers[side]) }),
        ),
      ),
    ),
  )
  if (report === null) return
  const [title] = FAULTS[report.name]
  // Announced at the begin and at the end of a fault, not each second.
  setText(
    byId('fault-report'),
    report.ended ? `${title}: ended after ${report.seconds} s.` : `${title}: in progress.`,
  )
}

function shareOf({ sent }, count) {
  return sent === 0 ? '–' : percentText(count / sent)
}

function failedCalls({ failures }) {
  return Object.values(failures).reduce((sum, count) => sum + count, 0)
}

function errorReplies({ failures: { timeout: _, connection: __, ...statuses } }) {
  return failedCalls({ failures: statuses })
}

function codesOf({ failures: { timeout: _, connection: __, ...statuses } }) {
  const codes = Object.keys(statuses)
  return codes.length === 0 ? '' : ` (${codes.join(', ')})`
}

// ----------------------------------------------------------------------------------------------------------------- Charts

const failedShare = (callers) => (callers.sent === 0 ? null : (100 * failedCalls(callers)) / callers.sent)

const LINES = [
  { title: 'Requests a second', unit: 'callers without pauses', of: ({ rate }) => rate },
  { title: 'CPU time a request', unit: 'µs', of: ({ cpuMicros }) => cpuMicros },
  { title: 'Latency p50', unit: 'ms, at the fixed rate', of: ({ p50 }) => p50, isLog: true },
  { title: 'Latency p99', unit: 'ms, at the fixed rate', of: ({ p99 }) => p99, isLog: true },
  { title: 'Statements a request', unit: 'Postgres', of: ({ statements }) => statements },
  { title: 'Commands a request', unit: 'Redis', of: ({ commands }) => commands },
  { title: 'Failed requests', unit: '%, at the fixed rate', of: failedShare, least: 1 },
]
const TIERS = { l1: 'Tier 1', l2: 'Tier 2', miss: 'Miss', off: 'Off' }

const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim()

/** Seconds before the newest sample; the labels therefore do not move. */
function timeAxis() {
  return {
    stroke: () => colour('soft'),
    font: '11px system-ui, sans-serif',
    size: 26,
    gap: 4,
    grid: { show: false },
    ticks: { show: false },
    splits: (u) => [90, 60, 30, 0].map((ago) => u.scales.x.max - ago),
    values: (u, splits) =>
      splits.map((at) => (at === u.scales.x.max ? 'now' : `−${Math.round(u.scales.x.max - at)} s`)),
  }
}

function onlyPowers(_, splits) {
  return splits.map((value) => (Number.isInteger(Math.log10(value)) ? value : null))
}

function valueAxis(format, isLog = false) {
  return {
    stroke: () => colour('soft'),
    font: '11px system-ui, sans-serif',
    size: 50,
    gap: 4,
    // On a logarithmic scale only the powers of ten have a line.
    grid: { stroke: () => colour('grid'), width: 1, ...(isLog && { filter: onlyPowers }) },
    ticks: { show: false },
    space: 30,
    values: (_, splits) => splits.map((value) => (value === null ? null : format(value))),
  }
}

function axisNumber(value) {
  if (value >= 1_000_000) return `${value / 1_000_000}M`
  if (value >= 1000) return `${Number((value / 1000).toFixed(1))}k`
  return String(Number(value.toFixed(3)))
}

/** Faults as bands, and changes of load or settings as thin lines. */
function drawEvents(u) {
  const { ctx, bbox } = u
  ctx.save()
  for (const [index, sample] of samples.entries()) {
    const before = samples[index - 1]
    const to = u.valToPos(sample.at, 'x', true)
    if (before === undefined || to < bbox.left) continue
    const from = Math.max(bbox.left, u.valToPos(before.at, 'x', true))
    if (sample.fault !== null) {
      ctx.fillStyle = colour('fault')
      ctx.fillRect(from, bbox.top, to - from, bbox.height)
    } else if (sample.run !== before.run) {
      ctx.fillStyle = colour('border')
      ctx.fillRect(Math.round((from + to) / 2), bbox.top, 1, bbox.height)
    }
  }
  ctx.restore()
}

function baseOptions(plot) {
  return {
    width: Math.max(200, plot.clientWidth),
    height: 148,
    padding: [8, 12, 0, 0],
    legend: { show: false },
    cursor: { y: false, points: { size: 7 }, drag: { setScale: false, x: false }, sync: { key: SYNC.key } },
    hooks: { drawClear: [drawEvents] },
  }
}

function lineOptions(plot, { isLog = false, least = 0 }) {
  const upper = (maximum) => Math.max(least, (maximum ?? 0) * 1.12 || 1)
  const range = isLog
    ? (_, minimum, maximum) => [
        10 ** Math.floor(Math.log10(minimum ?? 0.1)),
        10 ** Math.ceil(Math.log10((maximum ?? 10) * 1.01)),
      ]
    : (_, __, maximum) => [0, upper(maximum)]
  const line = (side) => ({
    stroke: () => colour(side),
    width: 2,
    dash: side === 'shipped' ? [6, 3] : undefined,
    points: { size: 4, fill: () => colour(side), show: (u) => u.data[0].length < 12 },
  })
  return {
    ...baseOptions(plot),
    scales: { x: { time: false, range: timeRange }, y: { distr: isLog ? 3 : 1, range } },
    axes: [timeAxis(), valueAxis(axisNumber, isLog)],
    series: [{}, line('shipped'), line('yours')],
  }
}

function timeRange() {
  const last = samples.at(-1)?.at ?? 0
  return [last - WINDOW_SECONDS, last]
}

function tierOptions(plot) {
  const names = Object.keys(TIERS)
  return {
    ...baseOptions(plot),
    scales: { x: { time: false, range: timeRange }, y: { range: () => [0, 1] } },
    axes: [timeAxis(), valueAxis((value) => `${Math.round(value * 100)} %`)],
    // The highest sum is drawn first, and each lower one over it.
    series: [
      {},
      ...names.toReversed().map((name) => ({
        stroke: () => colour(`tier-${name}`),
        fill: () => colour(`tier-${name}`),
        width: 0,
        points: { show: false },
      })),
    ],
  }
}

function card(title, unit, values) {
  const id = `chart-${title.toLowerCase().replaceAll(/[^a-z0-9]+/g, '-')}`
  const plot = element('div', { className: 'plot' })
  plot.setAttribute('aria-hidden', 'true')
  const heading = element('h2', { id }, title, ' ', element('span', { className: 'unit', textContent: unit }))
  const section = element('section', { className: 'card chart' }, heading, values, plot)
  section.setAttribute('aria-labelledby', id)
  return { section, plot }
}

/** A list of names and values, whose values `show` sets. */
function valueList(entries) {
  const values = entries.map(() => element('dd', { textContent: '–' }))
  const rows = entries.map(({ label, side, tier }, i) => {
    const row = element('div', {}, element('dt', { textContent: label }), values[i])
    if (side !== undefined) row.dataset.side = side
    if (tier !== undefined) row.style.setProperty('--tier', `var(--tier-${tier})`)
    return row
  })
  const show = (texts) => {
    for (const [i, text] of texts.entries()) setText(values[i], text)
  }
  return { list: element('dl', { className: 'values' }, ...rows), show }
}

function lineChart(spec) {
  const { list, show } = valueList(SIDES.map((side) => ({ label: NAMES[side], side })))
  const { section, plot } = card(spec.title, spec.unit, list)
  return {
    section,
    open: () => new uPlot(lineOptions(plot, spec), [[], [], []], plot),
    data: (rows) => [
      rows.map(({ at }) => at),
      ...SIDES.map((side) => rows.map((row) => positive(row.figures && spec.of(row.figures[side]), spec))),
    ],
    show: (sample) => show(SIDES.map((side) => short(sample && spec.of(sample.figures[side])))),
    plot,
  }
}

/** A logarithmic scale has no 0. */
function positive(value, { isLog }) {
  return value === null || value === undefined || (isLog && value <= 0) ? null : value
}

function tierChart(side) {
  const names = Object.keys(TIERS)
  const { list, show } = valueList(names.map((name) => ({ label: TIERS[name], tier: name })))
  const { section, plot } = card(`Replies by tier: ${NAMES[side].toLowerCase()}`, '', list)
  section.classList.add('tiers')
  return {
    section,
    open: () => new uPlot(tierOptions(plot), [[], [], [], [], []], plot),
    data: (rows) => [
      rows.map(({ at }) => at),
      ...names.map((_, i) =>
        rows.map((row) => sumOfTiers(row.figures?.[side].tiers, names.slice(0, names.length - i))),
      ),
    ],
    show: (sample) => {
      const tiers = sample?.figures[side].tiers
      show(names.map((name) => (tiers ? `${Math.round(100 * tiers[name])} %` : '–')))
    },
    plot,
  }
}

function sumOfTiers(tiers, names) {
  return tiers ? names.reduce((sum, name) => sum + tiers[name], 0) : null
}

function buildCharts() {
  charts = [...LINES.slice(0, 6).map(lineChart), ...SIDES.map(tierChart), lineChart(LINES[6])]
  byId('charts').prepend(...charts.map(({ section }) => section))
  for (const chart of charts) {
    chart.u = chart.open()
    chart.u.over.addEventListener('mouseleave', () => showValues(samples.at(-1)))
  }
  // One chart follows the cursor for all of them.
  for (const { u } of charts) {
    u.hooks.setCursor = [(each) => each.cursor.event && showValuesAt(each.cursor.idx)]
    SYNC.sub(u)
  }
  new ResizeObserver(resize).observe(byId('charts'))
  matchMedia('(prefers-color-scheme: dark)').addEventListener('change', () => {
    for (const { u } of charts) u.redraw(false, true)
  })
}

function resize() {
  for (const { u, plot } of charts) {
    const width = Math.max(200, plot.clientWidth)
    if (u.width !== width) u.setSize({ width, height: 148 })
  }
}

/** A row without figures between two runs interrupts the lines. */
function rowsOf(list) {
  return list.flatMap((sample, index) => {
    const before = list[index - 1]
    const isBreak = before !== undefined && before.run !== sample.run
    return isBreak ? [{ at: (before.at + sample.at) / 2 }, sample] : [sample]
  })
}

let drawnRows = []

function draw() {
  if (isPaused || charts.length === 0) return
  drawnRows = rowsOf(samples)
  for (const chart of charts) chart.u.setData(chart.data(drawnRows))
  showValues(samples.at(-1))
}

function showValuesAt(index) {
  const row = index === null || index === undefined ? undefined : drawnRows[index]
  showValues(row?.figures ? row : samples.at(-1))
}

function showValues(sample) {
  for (const chart of charts) chart.show(sample)
}

// ------------------------------------------------------------------------------------------------------------------ Events

const HANDLERS = {
  about(data) {
    about = data
    setText(byId('machine'), data.machine)
    buildControls()
    if (charts.length === 0) buildCharts()
    if (state !== undefined) HANDLERS.state(state)
  },
  state(data) {
    state = data
    showState()
    showControls()
  },
  history(data) {
    samples = data
    draw()
  },
  sample(data) {
    samples = [...samples, data].slice(-240)
    draw()
  },
}

function connect() {
  const events = new EventSource('events')
  for (const [name, handle] of Object.entries(HANDLERS)) {
    events.addEventListener(name, ({ data }) => handle(JSON.parse(data)))
  }
  events.onerror = () => {
    byId('state').dataset.phase = 'ended'
    setText(
      byId('state-text'),
      'No connection to the lab. Start it again with pnpm lab; this page then connects by itself',
    )
  }
}

connect()
