export { createRandom } from './random.ts'
export { stopClock } from './stop-clock.ts'
