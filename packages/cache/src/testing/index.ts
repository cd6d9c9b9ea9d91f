export type { Safeguard } from '../safeguards.ts'
export { createCacheWithout } from './create-cache-without.ts'
