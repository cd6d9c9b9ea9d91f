#!/bin/bash
# Starts one of the Postgres nodes of production. Which one is the primary, the file /run/state/primary says; every other
# is its replica. So a failover is: write another name, and start what is to start. A node that was the primary and is no
# more can never come up as a second one: its data is set aside and it copies the new primary.
set -euo pipefail
umask 077

primary=$(</run/state/primary)
flags=()

# The replicator's password stays out of the data folder and of process lists.
export PGPASSFILE=/run/postgresql/replicator
printf '*:5432:*:replicator:%s\n' "$(</run/secrets/replicator_password)" >"$PGPASSFILE"

ask_primary() { # QUERY, over the replication protocol: the replicator may do nothing else
  psql --no-psqlrc --quiet --tuples-only --no-align --command "$1" \
    "host=$primary user=replicator replication=true connect_timeout=5"
}

if [[ $primary != "$NODE" ]]; then
  slot=${NODE//-/_}
  if [[ -s $PGDATA/PG_VERSION && ! -f $PGDATA/standby.signal ]]; then
    # It was the primary until a failover: what it has beyond the new one must not come back by itself.
    aside="$PGDATA.former-primary-$(date -u +%Y%m%dT%H%M%SZ)"
    mv "$PGDATA" "$aside"
    echo "$NODE was the primary; its data is kept in $aside" >&2
  fi
  if [[ ! -s $PGDATA/PG_VERSION ]]; then
    until ask_primary IDENTIFY_SYSTEM >/dev/null 2>&1; do
      echo "$NODE waits for $primary" >&2
      sleep 1
    done
    # The slot keeps the WAL that this node still needs, up to max_slot_wal_keep_size of the primary.
    ask_primary "CREATE_REPLICATION_SLOT $slot PHYSICAL RESERVE_WAL" >/dev/null 2>&1 || true
    rm -rf "$PGDATA.part"
    pg_basebackup --host "$primary" --username replicator --pgdata "$PGDATA.part" --slot "$slot" --wal-method stream \
      --checkpoint fast --no-password
    touch "$PGDATA.part/standby.signal"
    rm -rf "$PGDATA" && mv "$PGDATA.part" "$PGDATA"
  fi
  flags=(
    -c "primary_conninfo=host=$primary user=replicator passfile=$PGPASSFILE application_name=$NODE"
    -c "primary_slot_name=$slot"
  )
fi

# Not while the first data folder is made: nobody is there who could acknowledge.
if [[ -s $PGDATA/PG_VERSION && -n ${SYNCHRONOUS_STANDBY_NAMES:-} ]]; then
  flags+=(-c "synchronous_standby_names=$SYNCHRONOUS_STANDBY_NAMES")
fi

exec docker-entrypoint.sh "$@" "${flags[@]}"
