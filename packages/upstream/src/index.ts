export { isUnusableRow, type UpstreamCode, UpstreamError } from './errors.ts'
export type { GetReply, GetUrl } from './openapi-types.ts'
export type { TracedAttempt } from './tracing.ts'
export { createUpstream, type Upstream, type UpstreamCall, type UpstreamOptions } from './upstream.ts'
