export { systemSettings } from './from-config.ts'
export { createSystems, type System, type Systems, type SystemsOptions } from './systems.ts'
