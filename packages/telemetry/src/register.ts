import { isMainThread } from 'node:worker_threads'
import { startTelemetry } from './telemetry.ts'

// For `node --import`: the channels need subscribers before the service is loaded. Worker threads inherit NODE_OPTIONS, but
// their tasks are already inside a span of the main thread.
if (isMainThread) startTelemetry(process.env, process.argv[1])
