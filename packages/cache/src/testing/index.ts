export type { Safeguard } from '../safeguards.ts'
