export { directUrl } from './direct-url.ts'
export { explainCommand } from './explain.ts'
export { slowCommand } from './slow.ts'
