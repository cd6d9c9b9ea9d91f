export { directUrl } from './direct-url.ts'
export { slowCommand } from './slow.ts'
