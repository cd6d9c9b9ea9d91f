import { readFile } from 'node:fs/promises'
import { fileURLToPath } from 'node:url'
import type { FastifyReply, FastifyRequest, RouteOptions } from 'fastify'
import { openApiOf } from './openapi.ts'
import { negotiate, type Precompressed, precompress } from './precompressed.ts'
import type { App } from './types.ts'

/** The files of Swagger UI that the page loads, and where they are. */
const FILES: Readonly<Record<string, { readonly type: string; readonly path: () => string }>> = {
  'swagger-ui.css': {
    type: 'text/css; charset=utf-8',
    path: () => import.meta.resolve('@fastify/swagger-ui/static/swagger-ui.css'),
  },
  'swagger-ui-bundle.js': {
    type: 'text/javascript; charset=utf-8',
    path: () => import.meta.resolve('@fastify/swagger-ui/static/swagger-ui-bundle.js'),
  },
  'favicon-32x32.png': {
    type: 'image/png',
    path: () => import.meta.resolve('@fastify/swagger-ui/static/favicon-32x32.png'),
  },
}

const START_FILE = 'start.js'

/** No badge of an online validator: the page must work without a network. */
const START = `const page = document.getElementById('swagger-ui')
SwaggerUIBundle({ domNode: page, url: page.dataset.document, deepLinking: true, validatorUrl: null })
`

const CONTENT_SECURITY_POLICY =
  "default-src 'self'; base-uri 'self'; frame-ancestors 'self'; img-src 'self' data:; object-src 'none'; script-src-attr 'none'"

/** Kept by browsers; the files change only with the version of Swagger UI. */
const CACHE_CONTROL = 'public, max-age=3600'

/**
 * Adds `/openapi.json` (OpenAPI 3.1) and `/docs`, whose files are part of the package, so that both work offline. The first request
 * loads what they need: few processes ever serve one.
 */
export function addDocs(
  app: App,
  { service, version, auth }: { service: string; version: string; auth: boolean },
): void {
  const routes: RouteOptions[] = []
  app.addHook('onRoute', (route) => {
    routes.push(route)
  })
  const options = { schema: { hide: true }, config: { operational: true, rateLimit: false as const } }

  let document: Promise<string> | undefined
  app.get('/openapi.json', options, async (_request, reply) => {
    document ??= openApiOf(routes, { service, version, auth })
    reply.type('application/json; charset=utf-8')
    return document
  })
  for (const path of ['/docs', '/docs/']) {
    app.get(path, options, (_request, reply) => {
      // Relative, since a proxy may serve this API below a path of its own.
      const html =
        path === '/docs'
          ? pageOf(service, './docs/static', './openapi.json')
          : pageOf(service, './static', '../openapi.json')
      reply
        .type('text/html; charset=utf-8')
        .header('content-security-policy', CONTENT_SECURITY_POLICY)
        .send(html)
    })
  }
  app.get(`/docs/static/${START_FILE}`, options, (_request, reply) => {
    reply.type('text/javascript; charset=utf-8').send(START)
  })
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
<title>${title}</title>
<link rel="icon" type="image/png" href="${folder}/favicon-32x32.png">
<link rel="stylesheet" href="${folder}/swagger-ui.css">
</head>
<body>
<div id="swagger-ui" data-document="${document}"></div>
<script src="${folder}/swagger-ui-bundle.js"></script>
<script src="${folder}/${START_FILE}"></script>
</body>
</html>
`
}
