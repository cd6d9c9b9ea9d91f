import { defineConfig } from 'drizzle-kit'

/** For `pnpm db:generate`, which runs in the root of the repository: the paths are relative to it. */
export default defineConfig({
  dialect: 'postgresql',
  schema: ['./packages/shop/src/*/table.ts', './packages/database/src/schema.ts'],
  out: './packages/shop/migrations',
})
