// Starts Swagger UI. It has a dark style for `html.dark-mode`, and no code that follows the browser's wish.
const dark = matchMedia('(prefers-color-scheme: dark)')
const follow = () => document.documentElement.classList.toggle('dark-mode', dark.matches)
dark.addEventListener('change', follow)
follow()

const page = document.getElementById('swagger-ui')
SwaggerUIBundle({
  domNode: page,
  url: page.dataset.document,
  deepLinking: true,
  displayRequestDuration: true,
  defaultModelsExpandDepth: -1,
  operationsSorter: 'alpha',
  // No badge of an online validator: the page must work without a network.
  validatorUrl: null,
  syntaxHighlight: false,
})
