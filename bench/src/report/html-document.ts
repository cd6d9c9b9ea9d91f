import { DARK_COLOURS, LIGHT_COLOURS } from './chart.ts'
import { escapeHtml } from './format.ts'
import { REPORT_STYLE } from './html-style.ts'

/**
 * One HTML file without network access, in the style of the report, light and dark.
 *
 * @param page.style in addition to the report's
 */
export function htmlDocument(page: {
  readonly title: string
  readonly style?: string
  readonly body: string
}): string {
  const { title, style = '', body } = page
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>${escapeHtml(title)}</title>
<style>:root{${LIGHT_COLOURS}}@media (prefers-color-scheme:dark){:root{${DARK_COLOURS}}}
${REPORT_STYLE}${style}</style>
</head>
<body>
${body}
</body>
</html>
`
}
