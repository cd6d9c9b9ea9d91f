import { isMainThread } from 'node:worker_threads'
import { startTelemetry } from './telemetry.ts'

// For `node --import`: it has to listen before the service is loaded. NODE_OPTIONS reaches worker threads too, whose
// tasks are inside of a span of the main thread already.
if (isMainThread) startTelemetry(process.env, process.argv[1])
