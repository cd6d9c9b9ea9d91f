-- Run in the restored database before a service connects to it: psql --file infra/backup/after-restore.sql
-- `pnpm prod restore` does so; after a restore by another tool run it yourself.
BEGIN;
-- Redis may hold rows that are newer than this database. The services derive the prefix of their keys from this id, so they find
-- none of these.
UPDATE public.installation SET id = gen_random_uuid();
-- Caches of the former prefix. Their invalidations have no receiver any more.
DELETE FROM public.cache_outbox;
DELETE FROM public.cache_registrations;
COMMIT;
