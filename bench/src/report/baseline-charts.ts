import { join } from 'node:path'
import { REPOSITORY_ROOT } from '@reference/cli'
import { renderAblation } from './ablation-chart.ts'
import { renderBreakEven } from './break-even-chart.ts'
import { renderOverloadChart } from './overload-chart.ts'
import { readBreakEven, readOverload, readResults } from './results-file.ts'

/**
 * The committed charts, drawn from the committed results.
 *
 * @returns the text of each file, by its path in the repository
 */
export function baselineCharts(): ReadonlyMap<string, string> {
  const baseline = (name: string) => join(REPOSITORY_ROOT, 'bench/baselines', name)
  return new Map([
    ['docs/images/ablation.svg', renderAblation(readResults(baseline('2-cores.json')), { standalone: true })],
    ['docs/images/break-even.svg', renderBreakEven(readBreakEven(baseline('break-even.json')))],
    ['docs/images/overload.svg', renderOverloadChart(readOverload(baseline('overload.json')))],
  ])
}
