export { double, flaky, tick } from './definitions.ts'
export { createHarness, type Harness, inState, whenReady } from './harness.ts'
export { entry, type Ledger, openLedger } from './ledger.ts'
export { LEDGER_WORKER } from './processes.ts'
