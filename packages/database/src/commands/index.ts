export { directUrl, ownerUrl } from './direct-url.ts'
export { slowCommand } from './slow.ts'
