CREATE TABLE "cache_registrations" (
	"id" text PRIMARY KEY NOT NULL,
	"expires_at" timestamp(3) with time zone NOT NULL
);
--> statement-breakpoint
CREATE TABLE "installation" (
	"single" boolean PRIMARY KEY DEFAULT true NOT NULL,
	"id" uuid DEFAULT gen_random_uuid() NOT NULL,
	CONSTRAINT "installation_single_check" CHECK ("installation"."single")
);
--> statement-breakpoint
ALTER TABLE "cache_outbox" ADD COLUMN "cache" text;--> statement-breakpoint
CREATE INDEX "cache_outbox_cache_id_idx" ON "cache_outbox" USING btree ("cache","id");--> statement-breakpoint
-- The row by which this database is told from others. `db:seed` renews it; see docs/OPERATIONS.md.
INSERT INTO "installation" DEFAULT VALUES;--> statement-breakpoint
-- Rows without a cache come from processes of the release before, and from SQL by hand:
--   insert into cache_outbox (key) values ('c:user:1:{42}')
-- In the same transaction each gets a copy for every registered cache, which that cache's processes deliver and remove. It
-- happens here and not in a process, since a process of the release before removes its row once its own Redis has heard of it.
-- The row itself stays for those processes, and is removed after an hour when there are none.
-- The next release that changes this table makes the column NOT NULL and drops the trigger, if by then nothing writes such rows.
CREATE FUNCTION "public"."cache_outbox_copy"() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	INSERT INTO "public"."cache_outbox" ("key", "cache")
	SELECT NEW."key", "id" FROM "public"."cache_registrations";
	RETURN NULL;
END
$$;--> statement-breakpoint
CREATE TRIGGER "cache_outbox_copy" AFTER INSERT ON "public"."cache_outbox"
	FOR EACH ROW WHEN (NEW."cache" IS NULL) EXECUTE FUNCTION "public"."cache_outbox_copy"();
