export { hasPart, PARTS } from './parts.ts'
export { Tree } from './tree.ts'
