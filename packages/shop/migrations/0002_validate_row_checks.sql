-- Contract, step 2 of 2: reads every row once under SHARE UPDATE EXCLUSIVE, a lock that lets reads and writes go on. It is a
-- migration of its own because each migration is one transaction: in that of step 1 the lock of `add constraint`, which
-- stops everything, would be held until the last row was read.
-- A row that breaks a check stops this migration. `pnpm db:migrate` then names the check and prints the query that finds
-- such rows; docs/OPERATIONS.md, "Changing the schema without downtime", says how they are mended.
ALTER TABLE "orders" VALIDATE CONSTRAINT "orders_total_cents_exact_check";--> statement-breakpoint
ALTER TABLE "orders" VALIDATE CONSTRAINT "orders_created_at_check";--> statement-breakpoint
ALTER TABLE "settings" VALIDATE CONSTRAINT "settings_updated_at_check";--> statement-breakpoint
ALTER TABLE "users" VALIDATE CONSTRAINT "users_email_check";--> statement-breakpoint
ALTER TABLE "users" VALIDATE CONSTRAINT "users_created_at_check";
