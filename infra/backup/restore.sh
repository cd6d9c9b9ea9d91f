#!/bin/bash
# restore NODE [TIME] [TIMELINE]: replaces the data of a stopped node by the backups of /backups, up to a moment (as Postgres
# reads it; with an offset), else up to the end of the WAL. The volumes of both nodes are mounted in /nodes.
# The former data is kept beside the new one, and comes back when the recovery fails.
set -euo pipefail
umask 077

node=$1 target=${2:-} timeline=${3:-latest}
[[ $node == postgres-primary || $node == postgres-replica ]] || { echo "restore: no node $node" >&2; exit 64; }
archive=/backups
stamp=$(date --utc +%Y%m%dT%H%M%SZ)
data=/nodes/$node/18/docker
say() { echo "restore: $*" >&2; }

choose() { # the newest base backup that ended before the target
  local chosen='' id ended
  local limit
  limit=$(date --date="${target:-now}" +%s)
  while read -r id ended _; do
    if ((ended <= limit)); then chosen=$id; fi
  done < <(backup list)
  [[ -n $chosen ]] || {
    say "there is no base backup from before ${target:-now}. There are:"
    backup list >&2
    exit 1
  }
  echo "$chosen"
}

id=$(choose)
say "base backup $id"
mkdir -p "${data%/*}"
rm -rf "$data.part"
mkdir "$data.part"
age --decrypt --identity /run/secrets/backup_identity "$archive/base/$id/base.tar.gz.age" |
  gzip --decompress --stdout | tar --extract --directory "$data.part"
chmod 700 "$data.part"
touch "$data.part/recovery.signal"
aside=''
if [[ -e $data ]]; then
  aside=$data.before-restore-$stamp
  mv "$data" "$aside"
fi
mv "$data.part" "$data"
undo() { # REASON
  grep -E 'FATAL|PANIC' /tmp/recovery.log >&2 || tail --lines=20 /tmp/recovery.log >&2
  pg_ctl stop --pgdata "$data" --mode immediate >/dev/null 2>&1 || true
  rm -rf "$data"
  [[ -z $aside ]] || mv "$aside" "$data"
  say "$1; the former data is back in its place"
  exit 1
}

# The WAL comes from the archive alone, and no client can connect over the network.
options="-c config_file=/etc/postgresql/postgresql.conf -c hba_file=/etc/postgresql/pg_hba.conf -c listen_addresses=''"
options+=" -c unix_socket_directories=/tmp -c synchronous_standby_names='' -c restore_command='backup fetch %f \"%p\"'"
options+=" -c recovery_target_action=promote -c recovery_target_timeline=$timeline"
[[ -z $target ]] || options+=" -c recovery_target_time='$(date --utc --date="$target" '+%Y-%m-%d %H:%M:%S.%6N+00')'"
pg_ctl start --pgdata "$data" --wait --timeout 86400 --options "$options" --log /tmp/recovery.log >/dev/null ||
  undo 'Postgres could not recover'
ask() { psql --no-psqlrc --quiet --tuples-only --no-align --set ON_ERROR_STOP=1 --host /tmp --username postgres "$@"; }
# Hot standby answers before the target is reached.
until [[ $(ask --dbname postgres --command 'SELECT pg_is_in_recovery()' 2>/dev/null) == f ]]; do
  pg_ctl status --pgdata "$data" >/dev/null || undo 'the stored WAL does not reach that moment'
  sleep 0.2
done
grep -E 'recovery stopping|last completed transaction|selected new timeline' /tmp/recovery.log >&2 || true

[[ -z $aside ]] || say "the former data is kept in ${aside##*/}"
ask --dbname reference --file /usr/local/share/after-restore.sql
# The passwords of the backup may be those of another machine, or from before a change.
for role in postgres reference reference_api pgbouncer exporter replicator; do
  secret=/run/secrets/${role/exporter/postgres_exporter}_password
  [[ -r $secret && $(ask --dbname postgres --command "SELECT 1 FROM pg_roles WHERE rolname = '$role'") == 1 ]] || continue
  PASSWORD=$(<"$secret") ask --dbname postgres --set "role=$role" >/dev/null <<'SQL'
\getenv password PASSWORD
SET log_min_error_statement = panic;
SELECT set_config('log_min_duration_statement', '-1', false) \g /dev/null
ALTER ROLE :"role" PASSWORD :'password';
SQL
done
ask --dbname postgres --command CHECKPOINT
pg_ctl stop --pgdata "$data" --mode fast --wait >/dev/null

# The other node follows another timeline: it copies this one at its start (production/node.sh).
other=postgres-primary
if [[ $node == postgres-primary ]]; then other=postgres-replica; fi
if [[ -d /nodes/$other/18/docker ]]; then
  touch "/nodes/$other/18/docker.behind"
  # Of a former primary, whose data would be set aside first.
  [[ ! -s /nodes/$other/18/docker/PG_VERSION ]] || touch "/nodes/$other/18/docker/standby.signal"
fi
# The receiver of WAL begins anew on the new timeline; `backup flush` has stored what was here.
rm -f /staging/*.partial /staging/*.history /staging/????????????????????????
touch "$archive/gap"
say "$node is restored"
