#!/bin/bash
# backup COMMAND: backups of the primary, encrypted for the owner of the key (age), in the folder /backups.
#
#   receive         stream WAL from the primary, store it, take base backups when they are due, delete by the rule; runs forever
#   base            take a base backup now, and delete by the rule
#   flush           store what has been received so far
#   list            the base backups, oldest first, and the end of the WAL
#   fetch FILE TO   restore_command of Postgres
#   health          exit code 0 when WAL is received and stored, and the newest base backup is not too old
#
# The WAL is streamed (pg_receivewal) and not archived by archive_command: what the primary has committed is here within
# milliseconds and not when a segment of 16 MB is full, and the image of Postgres stays the official one.
set -euo pipefail
umask 077

archive=/backups staging=/staging
primary_file=/run/state/primary
slot=backup
interval_hours=${BACKUP_INTERVAL_HOURS:-24}
keep=${BACKUP_KEEP:-7}
flush_seconds=${BACKUP_FLUSH_SECONDS:-5}
beat=$staging/.stored

export PGPASSFILE=/tmp/replicator
say() { echo "backup: $*" >&2; }

connect() { # prepares the login; prints the primary
  [[ -s $PGPASSFILE ]] || printf '*:5432:*:replicator:%s\n' "$(</run/secrets/replicator_password)" >"$PGPASSFILE"
  echo "$(<"$primary_file")"
}
ask_primary() { # QUERY, over the replication protocol
  psql --no-psqlrc --quiet --tuples-only --no-align --command "$1" \
    "host=$(connect) user=replicator replication=true connect_timeout=5"
}

encrypt() { age --encrypt --recipients-file /run/secrets/backup_recipient; }
decrypt() { age --decrypt --identity /run/secrets/backup_identity "$1"; }

store() { # FILE NAME: a file of the WAL, complete or not at all; its time is that of the reading
  local began
  began=$(date +%s)
  gzip -1 --stdout "$1" | encrypt >"$archive/wal/.$2.new"
  touch --date="@$began" "$archive/wal/.$2.new"
  sync "$archive/wal/.$2.new"
  mv "$archive/wal/.$2.new" "$archive/wal/$2.gz.age"
  sync "$archive/wal"
}

time_of() { stat --format %Y "$1" 2>/dev/null || echo 0; }

# A segment that is still being written is stored again whenever it has changed. pg_receivewal finds its place by the newest
# segment in its folder, so the newest complete one stays there.
flush() (
  mkdir -p "$archive/wal" "$archive/base"
  exec 9>"$staging/.lock"
  flock 9
  shopt -s nullglob
  local file name newest=''
  for file in "$staging"/*.history "$staging"/????????????????????????; do
    name=${file##*/}
    [[ -s $archive/wal/$name.gz.age ]] || store "$file" "$name"
    rm -f "$archive/wal/$name.partial.gz.age"
    [[ $name == *.history ]] && continue
    [[ -z $newest ]] || rm -f "$newest"
    newest=$file
  done
  for file in "$staging"/*.partial; do
    name=${file##*/}
    # A second later than the last write: the clocks of files are coarse.
    (($(time_of "$archive/wal/$name.gz.age") > $(time_of "$file") + 1)) || store "$file" "$name"
  done
  touch "$beat"
)

field() { sed -n "s/^$2=//p" "$archive/base/$1/info"; } # BACKUP NAME
bases() { find "$archive/base" -mindepth 2 -maxdepth 2 -name info -printf '%h\n' 2>/dev/null | sed 's:.*/::' | sort; }
segment() { # TIMELINE LSN
  local high=${2%/*} low=${2#*/}
  printf '%08X%08X%08X' "$1" "$((16#$high))" "$((16#$low >> 24))"
}

base() {
  local id part primary began log start end timeline
  primary=$(connect) began=$(date +%s)
  id=$(date --utc --date="@$began" +%Y%m%dT%H%M%SZ)
  part=$archive/base/.$id.part
  rm -rf "$archive"/base/.*.part
  mkdir -p "$part" "$archive/wal"
  log=$part/log
  pg_basebackup --host "$primary" --username replicator --no-password --pgdata - --format tar --wal-method fetch \
    --checkpoint fast --verbose --label "$id" 2>"$log" | gzip -1 | encrypt >"$part/base.tar.gz.age" || {
    cat "$log" >&2
    return 1
  }
  start=$(sed -nE 's/.*start point: ([0-9A-F/]+) on timeline ([0-9]+).*/\1 \2/p' "$log")
  end=$(sed -nE 's/.*end point: ([0-9A-F/]+).*/\1/p' "$log")
  timeline=${start#* } start=${start% *}
  [[ -n $start && -n $end ]] || { cat "$log" >&2; return 1; }
  rm "$log"
  # Its own WAL makes it consistent; what follows must be stored, too.
  await_wal "$(segment "$timeline" "$end")" || return 1
  cat >"$part/info" <<INFO
began=$began
ended=$(date +%s)
timeline=$timeline
start=$start
end=$end
first_wal=$(segment "$timeline" "$start")
bytes=$(stat --format %s "$part/base.tar.gz.age")
INFO
  sync "$part"/*
  mv "$part" "$archive/base/$id"
  sync "$archive/base"
  say "base backup $id of $primary: $(field "$id" bytes) bytes in $(($(date +%s) - began)) s"
  prune
}

await_wal() { # SEGMENT: until it is stored, at least in part
  local attempt
  for attempt in $(seq 60); do
    flush
    [[ ! -e $archive/wal/$1.gz.age && ! -e $archive/wal/$1.partial.gz.age ]] || return 0
    sleep 0.5
  done
  say "the WAL of this base backup was not received within 30 s"
  return 1
}

# Keeps the newest base backups and the WAL from the oldest of them on, so that each moment since then can be restored.
prune() {
  local id oldest=''
  while read -r id; do
    rm -rf "${archive:?}/base/$id"
    say "deleted the base backup $id: $keep are kept"
  done < <(bases | head --lines="-$keep")
  oldest=$(bases | head --lines=1)
  [[ -z $oldest ]] || pg_archivecleanup -x .gz.age "$archive/wal" "$(field "$oldest" first_wal)"
}

list() {
  local id
  for id in $(bases); do
    echo "$id $(field "$id" ended) $(field "$id" timeline) $(field "$id" bytes)"
  done
}

fetch() { # FILE TO
  local name=$1 stored
  for stored in "$archive/wal/$name.gz.age" "$archive/wal/$name.partial.gz.age"; do
    [[ -e $stored ]] || continue
    # A code above 125 ends the recovery. 1 would mean the end of the WAL, and the database would open without the rest.
    decrypt "$stored" | gzip --decompress --stdout >"$2" || exit 126
    return 0
  done
  return 1
}

is_due() {
  local newest
  newest=$(bases | tail --lines=1)
  [[ -z $newest || -e $archive/gap ]] || (($(date +%s) - $(field "$newest" ended) > interval_hours * 3600))
}

keep_storing() {
  while sleep "$flush_seconds"; do
    flush || say 'could not store WAL'
    if is_due && base; then rm -f "$archive/gap"; fi
  done
}

# The primary no longer has the WAL that follows: it was lost, or a failover has left it behind.
begin_anew() {
  say 'the primary lacks the WAL that follows: beginning anew with a base backup'
  flush
  rm -f "$staging"/*.partial "$staging"/????????????????????????
  ask_primary "DROP_REPLICATION_SLOT $slot" >/dev/null 2>&1 || true
  touch "$archive/gap"
}

receive() {
  mkdir -p "$archive/wal" "$archive/base"
  keep_storing &
  trap 'kill $(jobs -p) 2>/dev/null; wait; flush; exit 0' TERM INT
  local failures=0 began
  while :; do
    began=$SECONDS
    if ask_primary IDENTIFY_SYSTEM >/dev/null 2>&1; then
      # The slot keeps the WAL that has not arrived here, up to max_slot_wal_keep_size of the primary.
      ask_primary "CREATE_REPLICATION_SLOT $slot PHYSICAL RESERVE_WAL" >/dev/null 2>&1 || true
      pg_receivewal --host "$(connect)" --username replicator --no-password --slot "$slot" --directory "$staging" \
        --synchronous --no-loop --status-interval 1 &
      echo $! >/tmp/receiver.pid
      wait $! || true
      rm /tmp/receiver.pid
      if ((SECONDS - began > 10)); then failures=0; else failures=$((failures + 1)); fi
      ((failures < 5)) || { begin_anew; failures=0; }
    fi
    sleep 1 &
    wait $!
  done
}

health() {
  local newest
  kill -0 "$(cat /tmp/receiver.pid 2>/dev/null)" 2>/dev/null || { echo 'no WAL is received'; return 1; }
  (($(date +%s) - $(stat --format %Y "$beat") < 60)) || { echo 'no WAL was stored for a minute'; return 1; }
  # One that is being taken may take hours.
  ! compgen -G "$archive/base/.*.part" >/dev/null || return 0
  newest=$(bases | tail --lines=1)
  [[ -n $newest ]] || { echo 'there is no base backup'; return 1; }
  (($(date +%s) - $(field "$newest" ended) < 2 * interval_hours * 3600)) || { echo 'the newest base backup is old'; return 1; }
}

case ${1:-} in
  receive | base | flush | list | fetch | health) "$@" ;;
  *) echo 'backup receive | base | flush | list | fetch FILE TO | health' >&2 && exit 64 ;;
esac
