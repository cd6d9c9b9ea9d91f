export { mongodbSlowCommand } from './mongodb-slow.ts'
export { mysqlSlowCommand } from './mysql-slow.ts'
