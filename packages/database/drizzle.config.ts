import { defineConfig } from 'drizzle-kit'

/** Run from the repository's root, as `pnpm db:generate` does: the paths below are seen from there. */
export default defineConfig({
  dialect: 'postgresql',
  schema: './packages/database/src/schema.ts',
  out: './packages/database/migrations',
})
