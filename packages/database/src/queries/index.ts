import * as caches from './caches.ts'
import * as idempotency from './idempotency.ts'
import * as installation from './installation.ts'
import * as lists from './lists.ts'
import * as orders from './orders.ts'
import * as outbox from './outbox.ts'
import * as products from './products.ts'
import * as report from './report.ts'
import * as settings from './settings.ts'
import * as users from './users.ts'

/** Every statement that the services send. */
export const queries = {
  ...users,
  ...products,
  ...orders,
  ...settings,
  ...idempotency,
  ...outbox,
  ...caches,
  ...installation,
  ...lists,
  ...report,
}
