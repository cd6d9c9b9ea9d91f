export { explainCommand } from './explain.ts'
