#!/bin/bash
# Starts one node of the Redis Cluster of production. Users come from the secrets:
#   admin     everything: replication, health checks, people
#   api       the commands of packages/cache, on its own keys (api.acl)
#   exporter  metrics only, no keys (exporter.acl)
# `default` is off, so every client needs a user name.
set -euo pipefail
umask 077

sha256() { printf %s "$1" | sha256sum | cut -d ' ' -f 1; }
admin=$(</run/secrets/redis_admin_password)
{
  echo 'user default off nopass nocommands'
  echo "user admin on #$(sha256 "$admin") ~* &* +@all"
  for user in api exporter; do
    echo "user $user on #$(sha256 "$(<"/run/secrets/redis_${user}_password")") $(tr '\n' ' ' <"$(dirname "$0")/$user.acl")"
  done
} >/tmp/users.acl
# A file instead of a flag, because every process can read flags.
cat >/tmp/node.conf <<CONFIG
include /usr/local/etc/redis/redis-cluster.conf
aclfile /tmp/users.acl
masteruser admin
masterauth $admin
cluster-config-file /data/nodes.conf
cluster-announce-hostname $NODE
# packages/cache uses the addresses of CLUSTER NODES, so a redirection must name an address as well.
cluster-preferred-endpoint-type ip
# Each master has one replica, which must not migrate to another master.
cluster-allow-replica-migration no
dir /data
CONFIG

# shellcheck source-path=SCRIPTDIR
source "$(dirname "$0")/../rejoin.sh"
REDISCLI_AUTH=$admin keep_joined redis-cli --user admin --no-auth-warning -t 2 &

exec docker-entrypoint.sh /tmp/node.conf
