import { times } from '../report/format.ts'
import type { Results } from '../report/schema.ts'
import type { Scenario } from '../run/scenario.ts'
import type { Effect } from '../stats/effect.ts'
import type { Findings, Trial } from './tune-search.ts'
import { initialSettings, TRADE_OFFS, type TuneArguments } from './tune-space.ts'

/** The settings that were found, as an env file with the evidence for each in comments. */
export function renderEnvFile(
  args: TuneArguments,
  scenario: Scenario,
  results: Results,
  { trials, skipped, confirmation }: Findings,
): string {
  const { fingerprint, startedAt } = results
  const kept = new Map(trials.filter((trial) => trial.kept).map((trial) => [trial.name, trial]))
  const rolledBack = trials.filter((trial) => !trial.kept)
  const unchanged = Object.entries(initialSettings(args)).filter(([name]) => !kept.has(name))
  const lines = [
    `# ${args.service}, ${args.goal}: ${scenario.about}`,
    `# ${startedAt}, ${fingerprint.cores} × ${fingerprint.cpuModel}, Node ${fingerprint.node}`,
    `# ${conclusion(confirmation)}`,
    ...[...kept.values()].flatMap(({ name, before, after, effect }) => [
      '',
      `# instead of ${before}: ${evidence(effect)}`,
      `${name}=${after}`,
    ]),
    ...(unchanged.length > 0 ? ['', '# as at the start'] : []),
    ...unchanged.map(([name, value]) => `${name}=${value}`),
    '',
    ...(rolledBack.length > 0 ? ['# tried and rolled back'] : []),
    ...rolledBack.map(rolledBackLine),
    ...(skipped.length > 0 ? [`# not tried, because the budget was used up: ${skipped.join(', ')}`] : []),
    `# not tried, because they trade speed for something else: ${[...TRADE_OFFS].join(', ')}`,
  ]
  return `${lines.join('\n')}\n`
}

function conclusion(confirmation: Trial | undefined): string {
  if (confirmation === undefined) return 'no change was significantly better than the initial settings'
  const { kept, effect } = confirmation
  return kept
    ? `confirmed on fresh boots: ${evidence(effect)}`
    : `NOT confirmed on fresh boots (${evidence(effect)}): keep the initial settings`
}

function rolledBackLine({ name, before, after, effect, measured: { refused } }: Trial): string {
  const result = refused === undefined ? evidence(effect) : `refused: ${refused.split('\n')[0]}`
  return `#   ${name}=${after} instead of ${before}: ${result}`
}

function evidence({ ratio, low, high, boots }: Effect): string {
  return Number.isFinite(high)
    ? `${times(ratio)} (95 %: ${low.toFixed(2)} to ${high.toFixed(2)}, ${boots} boots)`
    : `${times(ratio)} (${boots} boot)`
}
