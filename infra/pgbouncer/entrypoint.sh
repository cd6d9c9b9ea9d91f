#!/bin/bash
# Writes the userlist from the secrets and starts PgBouncer. Each of these files, where there is one, is the password of a
# user of PgBouncer's own; everybody else is looked up in Postgres at login (auth_query), so no other password lies here.
#   /run/secrets/pgbouncer_password         pgbouncer: asks Postgres for the others
#   /run/secrets/pgbouncer_stats_password   pgbouncer_stats: reads SHOW …, for the exporter and for people
# The folder is another one where PGBOUNCER_SECRETS names it.
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
