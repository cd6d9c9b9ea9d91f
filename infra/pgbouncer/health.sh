#!/bin/bash
# health: exit code 0 when PgBouncer answers a login over its real protocol, as pg_isready has it. It checks PgBouncer only:
# when Postgres is unavailable, restarting PgBouncer would not help.
exec 3<>"/dev/tcp/127.0.0.1/${PORT:-6432}" || exit 1
# A StartupMessage: length 43, protocol 3.0, then user and database. The answer starts with R (it asks for a password).
printf '\0\0\0\x2b\0\3\0\0user\0pgbouncer\0database\0pgbouncer\0\0' >&3
LC_ALL=C read -r -t 2 -n 1 answer <&3 && [[ $answer == R ]]
