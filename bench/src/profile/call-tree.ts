/** `Profiler.Profile` of the DevTools protocol: the format of `.cpuprofile` files. */
export interface CpuProfile {
  readonly nodes: readonly {
    readonly id: number
    readonly callFrame: CallFrame
    readonly children?: readonly number[]
  }[]
  /** The node that ran at each sample. */
  readonly samples: readonly number[]
  /** µs before each sample. */
  readonly timeDeltas: readonly number[]
}

/** `HeapProfiler.SamplingHeapProfileNode`. */
export interface HeapNode {
  readonly callFrame: CallFrame
  /** Bytes that were allocated here, without callees. */
  readonly selfSize: number
  readonly children: readonly HeapNode[]
}

interface CallFrame {
  readonly functionName: string
  readonly url: string
  /** From 0. */
  readonly lineNumber: number
}

/** Who wrote a function: this repository, a package, Node itself, or the engine without JavaScript (garbage collection, compiler). */
export type Origin = 'own' | 'package' | 'node' | 'engine'

/** A function in the place of its callers. */
export interface Frame {
  readonly name: string
  /** `packages/http/src/hot-routes.ts:120`, `fastify`, `node:http`; empty for the engine. */
  readonly place: string
  readonly origin: Origin
  /** µs or bytes, without callees. */
  self: number
  /** With callees. */
  total: number
  readonly children: Frame[]
}

/** Time in which the process did nothing. */
const IDLE = new Set(['(idle)', '(root)'])

/** @param root the folder of the repository, as a file URL with a slash at its end */
export function callTree(profile: CpuProfile, root: string): { tree: Frame; idle: number } {
  const selfOf = new Map<number, number>()
  for (const [index, id] of profile.samples.entries())
    selfOf.set(id, (selfOf.get(id) ?? 0) + Math.max(0, profile.timeDeltas[index] ?? 0))
  const nodes = new Map(profile.nodes.map((node) => [node.id, node]))
  let idle = 0
  const visit = (id: number, into: Frame): void => {
    const node = nodes.get(id)
    if (node === undefined) return
    const self = selfOf.get(id) ?? 0
    const isIdle = IDLE.has(node.callFrame.functionName)
    if (isIdle) idle += self
    const frame = isIdle ? into : childOf(into, node.callFrame, root)
    if (!isIdle) frame.self += self
    for (const child of node.children ?? []) visit(child, frame)
  }
  const tree = rootFrame()
  const [first] = profile.nodes
  if (first !== undefined) visit(first.id, tree)
  return { tree: summed(tree), idle }
}

/** The tree of sampled allocations, in bytes. */
export function allocationTree(head: HeapNode, root: string): Frame {
  const visit = (node: HeapNode, into: Frame): void => {
    const frame = IDLE.has(node.callFrame.functionName) ? into : childOf(into, node.callFrame, root)
    frame.self += node.selfSize
    for (const child of node.children) visit(child, frame)
  }
  const tree = rootFrame()
  visit(head, tree)
  return summed(tree)
}

/** The functions with the most of their own, wherever they were called. */
export function heaviest(tree: Frame, count: number): Omit<Frame, 'children' | 'total'>[] {
  const functions = new Map<string, Omit<Frame, 'children' | 'total'>>()
  const visit = ({ name, place, origin, self, children }: Frame): void => {
    const key = `${name} ${place}`
    const known = functions.get(key)
    if (known === undefined) functions.set(key, { name, place, origin, self })
    else known.self += self
    for (const child of children) visit(child)
  }
  for (const child of tree.children) visit(child)
  return [...functions.values()].sort((a, b) => b.self - a.self).slice(0, count)
}

/** The share of each origin. */
export function shares(tree: Frame): Record<Origin, number> {
  const sums: Record<Origin, number> = { own: 0, package: 0, node: 0, engine: 0 }
  for (const { origin, self } of heaviest(tree, Number.POSITIVE_INFINITY))
    sums[origin] += self / (tree.total || 1)
  return sums
}

function rootFrame(): Frame {
  return { name: 'all', place: '', origin: 'engine', self: 0, total: 0, children: [] }
}

/** The child for this function. The same function on two lines of its caller is one child. */
function childOf(parent: Frame, callFrame: CallFrame, root: string): Frame {
  const { place, origin } = placeOf(callFrame, root)
  const name = callFrame.functionName || '(anonymous)'
  const known = parent.children.find((child) => child.name === name && child.place === place)
  if (known !== undefined) return known
  const added: Frame = { name, place, origin, self: 0, total: 0, children: [] }
  parent.children.push(added)
  return added
}

function summed(frame: Frame): Frame {
  frame.total = frame.self
  for (const child of frame.children) frame.total += summed(child).total
  frame.children.sort((a, b) => b.total - a.total)
  return frame
}

function placeOf(
  { url, lineNumber, functionName }: CallFrame,
  root: string,
): Pick<Frame, 'place' | 'origin'> {
  if (url.startsWith('node:')) return { place: url, origin: 'node' }
  if (url === '') return { place: '', origin: functionName.startsWith('(') ? 'engine' : 'node' }
  const name = packageOf(url)
  if (name !== undefined) return { place: name, origin: 'package' }
  return { place: `${url.startsWith(root) ? url.slice(root.length) : url}:${lineNumber + 1}`, origin: 'own' }
}

/** The package of a file below the last `node_modules`. */
function packageOf(url: string): string | undefined {
  const [, path] = url.match(/.*\/node_modules\/(.+)/) ?? []
  if (path === undefined) return undefined
  const [scope = '', name = ''] = path.split('/')
  return scope.startsWith('@') ? `${scope}/${name}` : scope
}
