-- Expand, step 1 of 2: from here on no new row, and no changed one, may be what the API cannot represent (see
-- packages/database/src/representable.ts). `not valid` leaves the rows that exist unread, so the lock on each table,
-- which stops reads and writes, lasts milliseconds however large the table is.
-- Step 2 (0002) looks at the existing rows, in a transaction of its own.
ALTER TABLE "orders" ADD CONSTRAINT "orders_total_cents_exact_check" CHECK ("orders"."total_cents" between 0 and 9007199254740991) NOT VALID;--> statement-breakpoint
ALTER TABLE "orders" ADD CONSTRAINT "orders_created_at_check" CHECK ("orders"."created_at" between timestamptz '0001-01-01 00:00:00.000+00' and timestamptz '9999-12-31 23:59:59.999+00') NOT VALID;--> statement-breakpoint
ALTER TABLE "settings" ADD CONSTRAINT "settings_updated_at_check" CHECK ("settings"."updated_at" between timestamptz '0001-01-01 00:00:00.000+00' and timestamptz '9999-12-31 23:59:59.999+00') NOT VALID;--> statement-breakpoint
ALTER TABLE "users" ADD CONSTRAINT "users_email_check" CHECK ("users"."email" like '_%@%_' and "users"."email" not like '%@%@%') NOT VALID;--> statement-breakpoint
ALTER TABLE "users" ADD CONSTRAINT "users_created_at_check" CHECK ("users"."created_at" between timestamptz '0001-01-01 00:00:00.000+00' and timestamptz '9999-12-31 23:59:59.999+00') NOT VALID;
