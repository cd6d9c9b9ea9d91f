export { type ImpatientResult, impatientLoop } from './impatient-loop.ts'
export { type Load, startLoad } from './load.ts'
export { type OpenLoopResult, openLoop } from './open-loop.ts'
export type { Request } from './request.ts'
