#!/bin/bash
# create-secrets.sh NAMESPACE FOLDER | kubectl apply -f -: the Secrets that the pods mount, from files as infra/create-secrets.sh
# makes them, and a file of tokens. Printed, not kept: no file of the repository ever holds one. Asks no cluster.
#
#   database_url                                postgres://…, through PgBouncer where there is one
#   database_direct_url, database_replica_url   database_url unless there are such files
#   database_owner_url                          for the migrations; database_direct_url unless there is such a file
#   redis_url, redis_api_password               for one Redis, for a Redis Cluster (overlays/redis-cluster)
#   auth_tokens                                 name:sha256-of-the-token:scope, comma-separated
set -euo pipefail

namespace=$1 folder=$2

secret() { # NAME KEY=FILE...
  local name=$1
  shift
  echo ---
  kubectl create secret generic "$name" --namespace "$namespace" --dry-run=client --output yaml "${@/#/--from-file=}"
}
present() { # KEY FILE...: KEY and the first file that is there
  local key=$1 name
  shift
  for name in "$@"; do
    [[ ! -s $folder/$name ]] || { echo "$key=$folder/$name" && return; }
  done
  echo "$folder has none of: $*" >&2
  return 1
}

# Assigned first: a command that fails inside of an argument would go unseen.
url=$(present database_url database_url)
direct=$(present database_direct_url database_direct_url database_url)
owner=$(present database_owner_url database_owner_url database_direct_url database_url)
replica=$(present database_replica_url database_replica_url database_url)
tokens=$(present auth_tokens auth_tokens)
redis=()
for name in redis_url redis_api_password; do
  [[ ! -s $folder/$name ]] || redis+=("$name=$folder/$name")
done
((${#redis[@]} > 0)) || present redis_url redis_url redis_api_password

secret database "$url" "$direct" "$owner" "$replica"
secret redis "${redis[@]}"
secret auth "$tokens"
