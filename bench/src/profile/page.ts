import { escapeHtml } from '../report/format.ts'
import { htmlDocument } from '../report/html-document.ts'
import { type Frame, heaviest, type Origin, shares } from './call-tree.ts'

/** What a profile of one variant under load shows. */
export interface ProfileReport {
  /** Such as `One user by id: CACHE_L1=off`. */
  readonly title: string
  /** The load and the machine, a line each. */
  readonly facts: readonly string[]
  /** In µs. */
  readonly cpu: Frame
  /** In bytes. */
  readonly allocations: Frame
}

/** Frames below this share of the whole are left out: they would be narrower than a pixel. */
const SMALLEST = 0.0008
const TOP = 25

const ORIGINS: Readonly<Record<Origin, { readonly label: string; readonly colour: string }>> = {
  own: { label: 'this repository', colour: 'var(--s0)' },
  package: { label: 'packages', colour: 'var(--s2)' },
  node: { label: 'Node', colour: 'var(--s4)' },
  engine: { label: 'engine: garbage collection, compiler, system calls', colour: 'var(--s6)' },
}

/** The profile as one HTML file without network access: flame graphs that can be searched and zoomed, and tables. */
export function renderProfile({ title, facts, cpu, allocations }: ProfileReport): string {
  const body = `<header><h1>${escapeHtml(title)}</h1><p class="meta">${facts.map(escapeHtml).join('<br>')}</p></header>
<main>
${section('CPU time', 'Each box is a function; its width is its share of the CPU time, callees included. A box lies below its caller. Activate a box to zoom, Escape to zoom out.', cpu, 'cpu')}
${table('Functions with the most time of their own', cpu)}
${section('Allocations', 'The same for sampled allocations, in bytes, those included that were collected since. They are what the garbage collector works for.', allocations, 'allocations')}
${table('Functions that allocate most', allocations)}
</main>
<script>${SCRIPT}</script>`
  return htmlDocument({ title, style: STYLE, body })
}

function section(title: string, text: string, tree: Frame, id: string): string {
  const share = shares(tree)
  const legend = Object.entries(ORIGINS).map(
    ([origin, { label, colour }]) =>
      `<li><i style="background:${colour}"></i>${label} ${percent(share[origin as Origin])}</li>`,
  )
  return `<section><h2>${title}</h2><p>${text}</p><ul class="legend">${legend.join('')}</ul>
<label class="search">Highlight <input type="search" data-for="${id}" placeholder="name or file"></label>
<p class="found meta" id="${id}-found" aria-live="polite"></p>
<div class="flame" id="${id}" role="tree" aria-label="${title} by function" style="--rows:${depthOf(tree, tree.total)}">${boxes(tree)}</div></section>`
}

/** Positions are shares of the whole, so that zooming is one change of a scale. */
function boxes(tree: Frame): string {
  const html: string[] = []
  const visit = (frame: Frame, left: number, depth: number): void => {
    const width = frame.total / (tree.total || 1)
    if (width < SMALLEST) return
    const { name, place, origin, self, total } = frame
    const title = `${name} ${place}\n${percent(total / tree.total)}, of its own ${percent(self / tree.total)}`
    html.push(
      `<button role="treeitem" aria-level="${depth + 1}" data-l="${left.toFixed(5)}" data-w="${width.toFixed(5)}" style="--l:${left.toFixed(5)};--w:${width.toFixed(5)};--d:${depth};--c:${ORIGINS[origin].colour}" title="${escapeHtml(title)}">${escapeHtml(name)}</button>`,
    )
    let from = left
    for (const child of frame.children) {
      visit(child, from, depth + 1)
      from += child.total / (tree.total || 1)
    }
  }
  visit(tree, 0, 0)
  return html.join('')
}

function depthOf({ total, children }: Frame, whole: number): number {
  if (total / (whole || 1) < SMALLEST) return 0
  return 1 + Math.max(0, ...children.map((child) => depthOf(child, whole)))
}

function table(title: string, tree: Frame): string {
  const rows = heaviest(tree, TOP).map(
    ({ name, place, self }) =>
      `<tr><th scope="row">${escapeHtml(name)}</th><td class="place">${escapeHtml(place)}</td><td>${percent(self / (tree.total || 1))}</td></tr>`,
  )
  return `<h3>${title}</h3><div class="scroll"><table><thead><tr><th></th><th class="place">where</th><th>share</th></tr></thead><tbody>${rows.join('')}</tbody></table></div>`
}

function percent(share: number): string {
  return `${(share * 100).toFixed(1)} %`
}

const STYLE = `
body{max-width:1400px}
.flame{position:relative;height:calc(var(--rows)*20px);overflow:hidden;--from:0;--scale:1;margin:10px 0}
.flame button{position:absolute;top:calc(var(--d)*20px);left:calc((var(--l) - var(--from))*var(--scale)*100%);width:calc(var(--w)*var(--scale)*100% - 1px);height:19px;
 padding:0 3px;border:0;border-radius:2px;background:var(--c);color:var(--ground);font:11.5px/19px system-ui,sans-serif;text-align:left;white-space:nowrap;overflow:hidden;cursor:pointer}
.flame button:focus-visible{outline:2px solid var(--strong);outline-offset:-2px;z-index:1}
.flame.searched button:not(.found){opacity:.3}
.search{font-size:14px}.search input{font:inherit;width:min(320px,60vw);margin-left:6px;padding:4px 8px;color:var(--ink);background:var(--panel);border:1px solid var(--faint);border-radius:4px}
.found.meta{min-height:1.5em;margin:4px 0}
td.place,th.place{text-align:left;font-family:ui-monospace,monospace;font-size:12px;overflow-wrap:anywhere;white-space:normal}
@media print{.search,.found.meta{display:none}}
`

const SCRIPT = `
for (const flame of document.querySelectorAll('.flame')) {
  const boxes = [...flame.querySelectorAll('button')]
  const zoom = (left, width) => {
    flame.style.setProperty('--from', left)
    flame.style.setProperty('--scale', 1 / width)
  }
  flame.addEventListener('click', ({ target }) => {
    if (target.tagName === 'BUTTON') zoom(Number(target.dataset.l), Number(target.dataset.w))
  })
  flame.addEventListener('keydown', (event) => {
    if (event.key === 'Escape') zoom(0, 1)
    const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key]
    if (step) boxes[boxes.indexOf(document.activeElement) + step]?.focus()
  })
  const search = document.querySelector('[data-for="' + flame.id + '"]')
  search.addEventListener('input', () => {
    const text = search.value.trim().toLowerCase()
    flame.classList.toggle('searched', text !== '')
    let until = 0, share = 0
    for (const box of boxes) {
      const found = text !== '' && box.title.split('\\n')[0].toLowerCase().includes(text)
      box.classList.toggle('found', found)
      const left = Number(box.dataset.l), width = Number(box.dataset.w)
      if (found && left >= until - 1e-9) { share += width; until = left + width }
    }
    document.getElementById(flame.id + '-found').textContent = text === '' ? '' : (100 * share).toFixed(1) + ' % in functions that match'
  })
}
`
