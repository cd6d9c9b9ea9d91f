#!/bin/bash
# health: exit code 0 when this node answers. Whether the cluster is whole, its own gossip and the exporter say.
export REDISCLI_AUTH
REDISCLI_AUTH=$(</run/secrets/redis_admin_password)
[[ $(redis-cli --user admin --no-auth-warning -t 2 PING) == PONG ]]
