#!/bin/bash
# health: exit code 0 when this node is what it is to be: the primary takes writes; the replica is in recovery, receives
# WAL from the primary, and is not further behind than MAX_LAG_SECONDS (10).
set -euo pipefail
ask() { psql --no-psqlrc --quiet --tuples-only --no-align --username postgres --dbname postgres --command "$1"; }

if [[ $(</run/state/primary) == "$NODE" ]]; then
  [[ $(ask 'SELECT pg_is_in_recovery()') == f ]]
else
  [[ $(ask "SELECT pg_is_in_recovery()
    AND EXISTS (SELECT FROM pg_stat_wal_receiver WHERE status = 'streaming')
    AND (pg_last_wal_receive_lsn() = pg_last_wal_replay_lsn()
      OR now() - pg_last_xact_replay_timestamp() < make_interval(secs => ${MAX_LAG_SECONDS:-10}))") == t ]]
fi
