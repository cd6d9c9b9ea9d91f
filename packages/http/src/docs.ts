import { readFile } from 'node:fs/promises'
import { fileURLToPath } from 'node:url'
import type { FastifyReply, FastifyRequest, RouteOptions } from 'fastify'
import { type ApiInfo, openApiOf } from './openapi.ts'
import { negotiate, type Precompressed, precompress } from './precompressed.ts'
import type { App } from './types.ts'

const CSS = 'text/css; charset=utf-8'
const JS = 'text/javascript; charset=utf-8'

/** The files that the page loads, and where they are: those of Swagger UI, and ours, which adapt it to phones and to dark screens. */
const FILES: Readonly<Record<string, { readonly type: string; readonly path: () => string }>> = {
  'swagger-ui.css': {
    type: CSS,
    path: () => import.meta.resolve('@fastify/swagger-ui/static/swagger-ui.css'),
  },
  'swagger-ui-bundle.js': {
    type: JS,
    path: () => import.meta.resolve('@fastify/swagger-ui/static/swagger-ui-bundle.js'),
  },
  'docs.css': { type: CSS, path: () => new URL('./docs-page/docs.css', import.meta.url).href },
  'docs.js': { type: JS, path: () => new URL('./docs-page/docs.js', import.meta.url).href },
}

/** A pair of brackets, for any API. */
const ICON =
  "data:image/svg+xml,%3Csvg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 32 32' fill='none' stroke='%230b6e99' stroke-width='4' stroke-linecap='round' stroke-linejoin='round'%3E%3Cpath d='M11 6 3 16l8 10M21 6l8 10-8 10'/%3E%3C/svg%3E"

const CONTENT_SECURITY_POLICY =
  "default-src 'self'; base-uri 'self'; frame-ancestors 'self'; img-src 'self' data:; object-src 'none'; script-src-attr 'none'"

/** Kept by browsers; the files change only with the version of Swagger UI. */
const CACHE_CONTROL = 'public, max-age=3600'

/**
 * Adds `/openapi.json` (OpenAPI 3.1) and `/docs`, whose files are part of the package, so that both work offline. The first request
 * loads what they need: few processes ever serve one. `/` leads to the page.
 */
export function addDocs(app: App, api: ApiInfo): void {
  const routes: RouteOptions[] = []
  app.addHook('onRoute', (route) => {
    routes.push(route)
  })
  const options = { schema: { hide: true }, config: { operational: true, rateLimit: false as const } }

  let document: Promise<string> | undefined
  app.get('/openapi.json', options, async (_request, reply) => {
    document ??= openApiOf(routes, api)
    reply.type('application/json; charset=utf-8')
    return document
  })
  // Relative, since a proxy may serve this API below a path of its own.
  app.get('/', options, (_request, reply) => reply.redirect('./docs', 302))
  for (const path of ['/docs', '/docs/']) {
    app.get(path, options, (_request, reply) => {
      const html =
        path === '/docs'
          ? pageOf(api.title, './docs/static', './openapi.json')
          : pageOf(api.title, './static', '../openapi.json')
      reply
        .type('text/html; charset=utf-8')
        .header('content-security-policy', CONTENT_SECURITY_POLICY)
        .header('referrer-policy', 'no-referrer')
        .send(html)
    })
  }
  for (const [name, { type, path }] of Object.entries(FILES)) {
    const load = once(async () => precompress(await readFile(fileURLToPath(path()))))
    app.get(`/docs/static/${name}`, { ...options, compress: false }, async (request, reply) => {
      reply.type(type).header('cache-control', CACHE_CONTROL)
      return sendPrecompressed(request, reply, await load())
    })
  }
}

/**
 * Loads a file at its first request and keeps it. All replies share its bytes: replies that are not read hold neither a descriptor nor
 * memory of their own.
 */
function once<T>(load: () => Promise<T>): () => Promise<T> {
  let loading: Promise<T> | undefined
  return () => {
    loading ??= load().catch((error: unknown) => {
      loading = undefined
      throw error
    })
    return loading
  }
}

function sendPrecompressed(request: FastifyRequest, reply: FastifyReply, forms: Precompressed): Buffer {
  const available = (['zstd', 'br', 'gzip'] as const).filter((encoding) => forms[encoding] !== undefined)
  const encoding = negotiate(request.headers['accept-encoding'], available)
  if (available.length > 0) reply.header('vary', 'accept-encoding')
  if (encoding !== 'identity') reply.header('content-encoding', encoding)
  return forms[encoding] ?? forms.identity
}

function pageOf(title: string, folder: string, document: string): string {
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>${title}</title>
<link rel="icon" type="image/svg+xml" href="${ICON}">
<link rel="stylesheet" href="${folder}/swagger-ui.css">
<link rel="stylesheet" href="${folder}/docs.css">
</head>
<body>
<main id="swagger-ui" data-document="${document}"></main>
<script src="${folder}/swagger-ui-bundle.js"></script>
<script src="${folder}/docs.js"></script>
</body>
</html>
`
}
