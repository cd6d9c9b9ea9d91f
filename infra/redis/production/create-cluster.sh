#!/bin/bash
# Creates the cluster of six nodes once; does nothing when all slots have an owner.
set -euo pipefail
export REDISCLI_AUTH
REDISCLI_AUTH=$(</run/secrets/redis_admin_password)
cli() { redis-cli --user admin --no-auth-warning "$@"; }

read -r first _ <<<"$PEERS"
addresses=()
for peer in $PEERS; do
  for attempt in {1..60}; do
    [[ $(cli -h "$peer" -t 1 PING 2>/dev/null) != PONG ]] || break
    ((attempt < 60)) || { echo "$peer does not answer" >&2; exit 1; }
    sleep 1
  done
  addresses+=("$(getent ahostsv4 "$peer" | awk 'NR == 1 { print $1 }'):6379")
done

whole() { cli -h "$first" CLUSTER INFO | tr -d '\r' | grep -qx 'cluster_slots_ok:16384'; }
if ! cli -h "$first" CLUSTER INFO | tr -d '\r' | grep -qx 'cluster_slots_assigned:0'; then
  echo 'the cluster is there already'
  exit 0
fi
# Removes the remains of an interrupted creation; no node has a slot.
for peer in $PEERS; do cli -h "$peer" CLUSTER RESET HARD >/dev/null; done
cli --cluster create "${addresses[@]}" --cluster-replicas 1 --cluster-yes
for _ in {1..60}; do
  ! whole || exit 0
  sleep 1
done
echo 'not all slots have an owner' >&2
exit 1
