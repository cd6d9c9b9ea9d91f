#!/bin/bash
# Starts a node of the cluster under its own name, and reconnects it to the others when all addresses are new.
#   CLUSTER_NODE    the name under which clients and the other nodes reach this container
#   CLUSTER_PEERS   the names of all nodes
# Nodes know each other by id and address. A node that returns with a new address contacts the others, which store it. When all
# addresses change (down and up, a restart of the engine), no node finds another. A MEET by name repairs that: the answer carries
# the known id, and the address is replaced. Before the cluster is created there is no node to meet.
set -euo pipefail

export REDISCLI_AUTH
REDISCLI_AUTH=$(</run/secrets/redis_password)
cli() { redis-cli -t 2 "$@" 2>/dev/null; }

find_peers() {
  local peer address unlinked
  for _ in {1..120}; do
    sleep 1
    [[ $(cli CLUSTER INFO | tr -d '\r') =~ cluster_known_nodes:([0-9]+) ]] || continue
    ((BASH_REMATCH[1] > 1)) || return 0
    unlinked=$(cli CLUSTER NODES | grep -cE 'fail|disconnected|handshake|noaddr' || true)
    ((unlinked > 0)) || return 0
    for peer in $CLUSTER_PEERS; do
      [[ $peer != "$CLUSTER_NODE" ]] || continue
      address=$(getent hosts "$peer" | awk 'NR == 1 {print $1}') || continue
      [[ -z $address ]] || cli CLUSTER MEET "$address" 6379 >/dev/null || true
    done
  done
  echo "$CLUSTER_NODE still misses nodes of the cluster after two minutes" >&2
}
find_peers &

exec docker-entrypoint.sh redis-server /usr/local/etc/redis/redis-cluster.conf \
  --include /run/secrets/redis_auth.conf --cluster-announce-hostname "$CLUSTER_NODE"
