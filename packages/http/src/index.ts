export {
  type CachedReplies,
  hotKey,
  hotRow,
  sendCached,
  sendJson,
  shortReply,
} from './cached-reply.ts'
export { clientSignal } from './client-signal.ts'
export {
  type CursorColumn,
  createKeysetCursor,
  ID_COLUMN,
  ID_CURSOR,
  type KeysetCursor,
  TIMESTAMP_COLUMN,
} from './cursor.ts'
export { checkIfMatch, etagOf, IfMatchHeader, NOT_CHANGED } from './etag.ts'
export { runSettings, serverSettings } from './from-config.ts'
export type { CheckStatus, Dependency, Readiness, ServiceRow } from './health.ts'
export { type CachedReply, type HotReply, type HotRequest, hotHead } from './hot-reply.ts'
export {
  created,
  createOnce,
  IdempotencyHeaders,
  type IdempotencyKey,
  type IdempotencyStore,
  type Once,
  type ReplyingChange,
  type StoredReply,
  sendStored,
} from './idempotency.ts'
export type { JwtOptions } from './jwt.ts'
export type { Lifecycle } from './lifecycle.ts'
export type { OverloadOptions } from './overload.ts'
export { Cursor, Limit, type PageEncoder, PageQuery, page, readPage } from './page.ts'
export { type Encoding, negotiate, precompress } from './precompressed.ts'
export { described, Id, IdParams, ProblemSchema, problem } from './schemas.ts'
export { createServer, type ServerOptions } from './server.ts'
export { createSharedReplies, type SharedReplies } from './shared-replies.ts'
export { type Running, type RunOptions, runServer } from './shutdown.ts'
export type { AuthToken } from './tokens.ts'
export type { HotTrace, TracedLine, TracedRequest } from './tracing.ts'
export type { App, Priority, Scope } from './types.ts'
