import { PanelBuilder as BarsBuilder } from '@grafana/grafana-foundation-sdk/bargauge'
import type { Builder, Dataquery } from '@grafana/grafana-foundation-sdk/cog'
import * as common from '@grafana/grafana-foundation-sdk/common'
import {
  BigValueColorMode,
  BigValueTextMode,
  LegendDisplayMode,
  LegendPlacement,
  StackingMode,
  TooltipDisplayMode,
  VisibilityMode,
  VizOrientation,
} from '@grafana/grafana-foundation-sdk/common'
import {
  DashboardBuilder,
  DashboardCursorSync,
  DashboardLinkBuilder,
  DashboardLinkType,
  RowBuilder,
  ThresholdsConfigBuilder,
  ThresholdsMode,
} from '@grafana/grafana-foundation-sdk/dashboard'
import { PanelBuilder as LogsBuilder } from '@grafana/grafana-foundation-sdk/logs'
import { DataqueryBuilder as LokiQuery } from '@grafana/grafana-foundation-sdk/loki'
import {
  DataqueryBuilder as PrometheusQuery,
  PromQueryFormat,
} from '@grafana/grafana-foundation-sdk/prometheus'
import { PanelBuilder as StatBuilder } from '@grafana/grafana-foundation-sdk/stat'
import { PanelBuilder as TableBuilder } from '@grafana/grafana-foundation-sdk/table'
import { PanelBuilder as TimeseriesBuilder } from '@grafana/grafana-foundation-sdk/timeseries'

/** A query and the name of its lines, with labels as `{{service}}`. */
export type Query = readonly [expr: string, legend: string]

export interface Panel {
  readonly title: string
  /** What it shows and when to worry, where the title does not say. */
  readonly about?: string
  /** Grafana's names: `s`, `reqps`, `percentunit`, `bytes`, `short`. */
  readonly unit?: string
  readonly queries: readonly Query[]
  /**
   * Default `graph`. `stat`: one number a series; `name`: its labels in place of the number, for what is always 1; `bars`: the
   * latest of each, side by side; `table`: a row for each set of labels, a column for each query; `logs`: lines of Loki.
   */
  readonly kind?: 'graph' | 'stat' | 'name' | 'bars' | 'table' | 'logs'
  /** A stat above it is red. */
  readonly worryAbove?: number
  readonly stacked?: boolean
  /**
   * Points of requests whose trace is kept, each a link to it. A query that reads buckets itself has them: recorded series
   * carry no exemplars.
   */
  readonly exemplars?: boolean
  readonly max?: number
  /** In 24ths of the width. Default 8, a stat 4. */
  readonly width?: number
}

export interface Row {
  readonly title: string
  readonly panels: readonly Panel[]
}

export interface Dashboard {
  readonly uid: string
  readonly title: string
  readonly about: string
  readonly rows: readonly Row[]
}

const TAG = 'reference'
const PROMETHEUS = { type: 'prometheus', uid: 'prometheus' }
const LOKI = { type: 'loki', uid: 'loki' }
const HEIGHT = { stat: 4, graph: 7, bars: 12, logs: 10 }

/** The JSON that Grafana's provisioning reads. */
export function build({ uid, title, about, rows }: Dashboard): object {
  const dashboard = new DashboardBuilder(title)
    .uid(uid)
    .description(about)
    .tags([TAG])
    .readonly()
    .refresh('30s')
    .time({ from: 'now-1h', to: 'now' })
    .timezone('browser')
    .tooltip(DashboardCursorSync.Crosshair)
    .link(
      new DashboardLinkBuilder('Dashboards')
        .type(DashboardLinkType.Dashboards)
        .tags([TAG])
        .asDropdown(true)
        .keepTime(true),
    )
  for (const row of rows) {
    dashboard.withRow(new RowBuilder(row.title))
    for (const panel of row.panels) dashboard.withPanel(builderOf(panel))
  }
  return dashboard.build()
}

function builderOf(panel: Panel) {
  switch (panel.kind) {
    case 'stat':
    case 'name':
      return stat(panel)
    case 'bars':
      return bars(panel)
    case 'table':
      return table(panel)
    case 'logs':
      return logs(panel)
    default:
      return graph(panel)
  }
}

function graph({ title, about, unit, queries, stacked, exemplars, max, width = 8 }: Panel) {
  const builder = new TimeseriesBuilder()
    .title(title)
    .datasource(PROMETHEUS)
    .height(HEIGHT.graph)
    .span(width)
    .min(0)
    .lineWidth(1)
    .fillOpacity(stacked ? 30 : 8)
    .showPoints(VisibilityMode.Never)
    .tooltip(new common.VizTooltipOptionsBuilder().mode(TooltipDisplayMode.Multi))
    .legend(
      new common.VizLegendOptionsBuilder()
        .displayMode(LegendDisplayMode.List)
        .placement(LegendPlacement.Bottom)
        .showLegend(true),
    )
  if (about) builder.description(about)
  if (unit) builder.unit(unit)
  if (max !== undefined) builder.max(max)
  if (stacked) builder.stacking(new common.StackingConfigBuilder().mode(StackingMode.Normal))
  for (const target of targets(queries, exemplars)) builder.withTarget(target)
  return builder
}

function stat({ title, about, unit, queries, kind, worryAbove, width = 4 }: Panel) {
  const builder = new StatBuilder()
    .title(title)
    .datasource(PROMETHEUS)
    .height(HEIGHT.stat)
    .span(width)
    .textMode(kind === 'name' ? BigValueTextMode.Name : BigValueTextMode.ValueAndName)
    .colorMode(BigValueColorMode.Value)
    .thresholds(
      new ThresholdsConfigBuilder()
        .mode(ThresholdsMode.Absolute)
        .steps([
          { value: null, color: worryAbove === undefined ? 'text' : 'green' },
          ...(worryAbove === undefined ? [] : [{ value: worryAbove, color: 'red' }]),
        ]),
    )
  if (about) builder.description(about)
  if (unit) builder.unit(unit)
  for (const target of targets(queries)) builder.withTarget(target)
  return builder
}

function bars({ title, about, unit, queries, width = 12 }: Panel) {
  const builder = new BarsBuilder()
    .title(title)
    .datasource(PROMETHEUS)
    .height(HEIGHT.bars)
    .span(width)
    .min(0)
    .orientation(VizOrientation.Horizontal)
  if (about) builder.description(about)
  if (unit) builder.unit(unit)
  for (const target of targets(queries)) builder.withTarget(target)
  return builder
}

function table({ title, about, unit, queries, width = 12 }: Panel) {
  const columns = Object.fromEntries(queries.map(([, name], index) => [`Value #${refId(index)}`, name]))
  const builder = new TableBuilder()
    .title(title)
    .datasource(PROMETHEUS)
    .height(HEIGHT.bars)
    .span(width)
    .withTransformation({ id: 'merge', options: {} })
    .withTransformation({
      id: 'organize',
      options: { excludeByName: { Time: true }, renameByName: columns },
    })
  if (about) builder.description(about)
  if (unit) builder.unit(unit)
  for (const [index, [expr]] of queries.entries()) {
    builder.withTarget(
      new PrometheusQuery()
        .datasource(PROMETHEUS)
        .expr(expr)
        .instant()
        .format(PromQueryFormat.Table)
        .refId(refId(index)),
    )
  }
  return builder
}

function logs({ title, about, queries, width = 24 }: Panel) {
  const builder = new LogsBuilder()
    .title(title)
    .datasource(LOKI)
    .height(HEIGHT.logs)
    .span(width)
    .showTime(true)
    .enableLogDetails(true)
  if (about) builder.description(about)
  for (const [index, [expr]] of queries.entries()) {
    builder.withTarget(new LokiQuery().datasource(LOKI).expr(expr).refId(refId(index)))
  }
  return builder
}

function targets(queries: readonly Query[], exemplars = false): Builder<Dataquery>[] {
  return queries.map(([expr, legend], index) =>
    new PrometheusQuery()
      .datasource(PROMETHEUS)
      .expr(expr)
      .legendFormat(legend)
      .exemplar(exemplars && expr.includes('_bucket['))
      .range()
      .refId(refId(index)),
  )
}

const refId = (index: number) => String.fromCharCode('A'.charCodeAt(0) + index)
