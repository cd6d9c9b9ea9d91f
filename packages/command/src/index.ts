export { argumentsOf, exitCodes, runCommand, SettingsError, sentenceOf, UsageError } from './run.ts'
export { bytes, excerpt, percent, table } from './table.ts'
