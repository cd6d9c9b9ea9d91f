export { ask } from './ask.ts'
export { closedPort, hungPort } from './ports.ts'
