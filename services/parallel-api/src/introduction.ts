/** The head of the API's OpenAPI document and of `/docs`. */
export const INTRODUCTION = {
  title: 'Parallel API',
  description: `Work that a service can do side by side: lists that are fetched in parallel, orders joined over HTTP, and a report computed in
worker threads.

- The first part that fails **cancels** the others, down to the statement or the socket.
- Identical calls that arrive at the same time **share** one run, unless \`SHARED_READS=off\`.
- **Errors** are problems of RFC 9457 with a stable \`code\`, and the \`requestId\` of the log lines.`,
} as const
