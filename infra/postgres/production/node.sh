#!/bin/bash
# Starts one of the Postgres nodes of production. The file /run/state/primary names the primary; the other node
# is its replica. A failover writes another name and starts the nodes. A former primary can never start as a second
# primary: it sets its data aside and copies the new primary.
set -euo pipefail
umask 077

primary=$(</run/state/primary)
flags=()

# Keeps the replicator's password out of the data folder and of process lists.
export PGPASSFILE=/run/postgresql/replicator
printf '*:5432:*:replicator:%s\n' "$(</run/secrets/replicator_password)" >"$PGPASSFILE"

ask_primary() { # QUERY, over the replication protocol, which is all that the replicator may use
  psql --no-psqlrc --quiet --tuples-only --no-align --command "$1" \
    "host=$primary user=replicator replication=true connect_timeout=5"
}

# State of this node's slot on the primary: "there", "lost" (max_slot_wal_keep_size was exceeded, or the slot was dropped), or
# nothing without an answer.
slot_on_primary() {
  local answer
  answer=$(ask_primary "READ_REPLICATION_SLOT $slot" 2>/dev/null) || return 0
  # Type, position, timeline: a slot that lost its WAL has no position.
  if [[ $answer == physical\|*/* ]]; then echo there; else echo lost; fi
}

# A replica whose slot is lost cannot catch up. It stops, the engine restarts it, and it copies the primary again.
watch_slot() { # PID of the server
  local found=0
  while sleep "${SLOT_CHECK_SECONDS:-15}" && kill -0 "$1" 2>/dev/null; do
    # This node may have been promoted since.
    [[ $(</run/state/primary) == "$primary" ]] || return 0
    if [[ $(slot_on_primary) == lost ]]; then found=$((found + 1)); else found=0; fi
    ((found < 2)) || {
      echo "$NODE: its slot on $primary is lost" >&2
      kill -INT "$1"
      return
    }
  done
}

if [[ $primary != "$NODE" ]]; then
  slot=${NODE//-/_}
  if [[ -s $PGDATA/PG_VERSION && ! -f $PGDATA/standby.signal ]]; then
    # This node was the primary until a failover: its later writes must not return.
    aside="$PGDATA.former-primary-$(date -u +%Y%m%dT%H%M%SZ)"
    mv "$PGDATA" "$aside"
    echo "$NODE was the primary; its data is kept in $aside" >&2
  fi
  # Recorded in a file, because an interrupted copy leaves a new slot beside the old data.
  if [[ -s $PGDATA/PG_VERSION && $(slot_on_primary) == lost ]]; then
    echo "$NODE copies $primary anew: the WAL that it needs is gone" >&2
    touch "$PGDATA.behind"
  fi
  if [[ ! -s $PGDATA/PG_VERSION || -f $PGDATA.behind ]]; then
    until ask_primary IDENTIFY_SYSTEM >/dev/null 2>&1; do
      echo "$NODE waits for $primary" >&2
      sleep 1
    done
    # The existing data serves no client in the meantime, and stays until the copy is complete.
    [[ $(slot_on_primary) == there ]] || ask_primary "DROP_REPLICATION_SLOT $slot" >/dev/null 2>&1 || true
    # The slot keeps the WAL that this node still needs, up to max_slot_wal_keep_size of the primary.
    ask_primary "CREATE_REPLICATION_SLOT $slot PHYSICAL RESERVE_WAL" >/dev/null 2>&1 || true
    rm -rf "$PGDATA.part"
    pg_basebackup --host "$primary" --username replicator --pgdata "$PGDATA.part" --slot "$slot" --wal-method stream \
      --checkpoint fast --no-password
    touch "$PGDATA.part/standby.signal"
    rm -rf "$PGDATA" && mv "$PGDATA.part" "$PGDATA"
    rm -f "$PGDATA.behind"
  fi
  flags=(
    -c "primary_conninfo=host=$primary user=replicator passfile=$PGPASSFILE application_name=$NODE"
    -c "primary_slot_name=$slot"
  )
  # Not a child of the server, which would report an unknown child.
  (watch_slot $$ &)
fi

# Any of the two nodes. The receiver of the backups reads the WAL as well, and has nothing that could be promoted.
if [[ ${SYNCHRONOUS_STANDBY_NAMES:-} == '*' ]]; then SYNCHRONOUS_STANDBY_NAMES='"postgres-primary", "postgres-replica"'; fi

# Off while the first data folder is created: no standby exists that could acknowledge.
if [[ -s $PGDATA/PG_VERSION && -n ${SYNCHRONOUS_STANDBY_NAMES:-} ]]; then
  flags+=(-c "synchronous_standby_names=$SYNCHRONOUS_STANDBY_NAMES")
fi

exec docker-entrypoint.sh "$@" "${flags[@]}"
