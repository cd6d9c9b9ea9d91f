import { subscribe, unsubscribe } from 'node:diagnostics_channel'
import { type Span, SpanStatusCode } from '@opentelemetry/api'

/** @returns what stops listening */
export function listen<Message>(name: string, listener: (message: Message) => void): () => void {
  const onMessage = (message: unknown) => listener(message as Message)
  subscribe(name, onMessage)
  return () => unsubscribe(name, onMessage)
}

/** Ends a span; an error is told by its code, never by its message, which may hold what a client sent. */
export function endSpan(span: Span, error?: unknown): void {
  if (error !== undefined) {
    const { name, code } = error as { name?: string; code?: unknown }
    span.setAttribute('error.type', typeof code === 'string' ? code : (name ?? 'unknown'))
    span.setStatus({ code: SpanStatusCode.ERROR })
  }
  span.end()
}
