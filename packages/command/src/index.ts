export { argumentsOf, exitCodes, runCommand, SettingsError, sentenceOf, UsageError } from './run.ts'
export { bytes, percent, table } from './table.ts'
