#!/bin/sh
# Exit code 0 when Redis answers PING. The password is not on the command line, where every process could read it.
REDISCLI_AUTH=$(cat /run/secrets/redis_password)
export REDISCLI_AUTH
[ "$(redis-cli -t 2 PING)" = PONG ]
