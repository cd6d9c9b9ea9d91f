#!/bin/bash
# Writes the userlist from the secrets and starts PgBouncer. Each existing file is the password of one of
# PgBouncer's own users. Other users are looked up in Postgres at login (auth_query), so no other password is stored here.
#   /run/secrets/pgbouncer_password         pgbouncer: looks up the passwords of other users in Postgres
#   /run/secrets/pgbouncer_stats_password   pgbouncer_stats: reads SHOW …, for the exporter and for people
# PGBOUNCER_SECRETS names another folder.
set -euo pipefail
umask 077

secrets=${PGBOUNCER_SECRETS:-/run/secrets}
userlist=/run/pgbouncer/userlist.txt

[[ -r $secrets/pgbouncer_password ]] || {
  echo "PgBouncer needs the password of its role in $secrets/pgbouncer_password" >&2
  exit 78
}
: >"$userlist"
for user in pgbouncer pgbouncer_stats; do
  [[ -r $secrets/${user}_password ]] || continue
  password=$(<"$secrets/${user}_password")
  printf '"%s" "%s"\n' "$user" "${password//\"/\"\"}" >>"$userlist"
done

exec "$@"
