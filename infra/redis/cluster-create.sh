#!/bin/bash
# Creates one cluster of the nodes in CLUSTER_PEERS: the first half are masters, each other node is the replica of one. Each step
# checks whether it is needed, so the script may run at any time: after an interrupted run, and on a complete cluster,
# where it only waits until all nodes report it as complete.
set -euo pipefail

export REDISCLI_AUTH
REDISCLI_AUTH=$(</run/secrets/redis_password)
read -ra nodes <<<"$CLUSTER_PEERS"
total=${#nodes[@]}
masters=$((total / 2))
slots=16384

on() { redis-cli -t 2 -h "$1" "${@:2}" | tr -d '\r'; }
info() { on "$1" CLUSTER INFO | sed -n "s/^$2://p"; }
wait_for() { # SECONDS COMMAND…: until the command succeeds
  local end=$((SECONDS + $1))
  until "${@:2}" 2>/dev/null; do
    ((SECONDS < end)) || {
      echo "Not so within $1 s: ${*:2}" >&2
      return 1
    }
    sleep 0.5
  done
}
knows_all() { for node in "${nodes[@]}"; do [[ $(info "$node" cluster_known_nodes) == "$total" ]] || return 1; done; }
is_whole() { # every node: state ok, all slots, its replication linked
  local node role
  for node in "${nodes[@]}"; do
    [[ $(info "$node" cluster_state) == ok && $(info "$node" cluster_slots_ok) == "$slots" ]] || return 1
    role=$(on "$node" INFO replication)
    [[ $role == *role:master* || $role == *master_link_status:up* ]] || return 1
  done
}
replicate() { [[ $(on "$1" CLUSTER REPLICATE "$2") == OK ]]; }
has_replica() { on "$1" INFO replication | grep -q 'slave0:.*state=online'; }

if knows_all && [[ $(info "${nodes[0]}" cluster_slots_assigned) == "$slots" ]]; then
  wait_for 60 is_whole
  echo "The cluster was there, and is whole."
  exit
fi

for ((i = 0; i < masters; i++)); do
  node=${nodes[i]}
  first=$((i * slots / masters)) last=$(((i + 1) * slots / masters - 1))
  [[ $(info "$node" cluster_slots_assigned) != 0 ]] || on "$node" CLUSTER ADDSLOTSRANGE $first $last >/dev/null
  # Only while the node knows no other: two nodes with the same epoch would first have to resolve the conflict.
  on "$node" CLUSTER SET-CONFIG-EPOCH $((i + 1)) >/dev/null
done
for node in "${nodes[@]:1}"; do
  address=$(getent hosts "$node" | awk 'NR == 1 {print $1}')
  on "${nodes[0]}" CLUSTER MEET "$address" 6379 >/dev/null
done
wait_for 30 knows_all
for ((i = masters; i < total; i++)); do
  master=${nodes[i - masters]}
  [[ $(on "${nodes[i]}" ROLE | head -1) == master ]] || continue
  # The id may not have reached this node yet.
  wait_for 30 replicate "${nodes[i]}" "$(on "$master" CLUSTER MYID)"
done
wait_for 60 is_whole
for ((i = 0; i < masters; i++)); do wait_for 60 has_replica "${nodes[i]}"; done
echo "The cluster of $masters masters with a replica each is made."
