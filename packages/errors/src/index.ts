export { AppError, type AppErrorOptions, type FieldError } from './app-error.ts'
