import { globSync } from 'node:fs'
import { REPOSITORY_ROOT } from '@reference/cli'
import { dashboardTexts } from '@reference/infra/dashboards'
import type { GeneratedFiles } from './generated-files.ts'

const FOLDER = 'infra/grafana/dashboards'

/** Grafana's JSON of every dashboard; files of dashboards that no longer exist are to be removed. */
export function dashboardFiles(): GeneratedFiles {
  const files = new Map<string, string | undefined>()
  for (const path of globSync(`${FOLDER}/*.json`, { cwd: REPOSITORY_ROOT })) files.set(path, undefined)
  for (const [name, text] of dashboardTexts()) files.set(`${FOLDER}/${name}`, text)
  return files
}
