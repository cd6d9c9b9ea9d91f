export { AppError, type AppErrorOptions, type FieldError } from './app-error.ts'
export { mustExist } from './must-exist.ts'
