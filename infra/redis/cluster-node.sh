#!/bin/bash
# Starts a node of the cluster under its own name, and keeps it connected to the others (rejoin.sh).
#   CLUSTER_NODE    the name under which clients and the other nodes reach this container
set -euo pipefail

export REDISCLI_AUTH
REDISCLI_AUTH=$(</run/secrets/redis_password)
# shellcheck source-path=SCRIPTDIR
source "$(dirname "$0")/rejoin.sh"
keep_joined redis-cli -t 2 &

exec docker-entrypoint.sh redis-server /usr/local/etc/redis/redis-cluster.conf \
  --include /run/secrets/redis_auth.conf --cluster-announce-hostname "$CLUSTER_NODE"
