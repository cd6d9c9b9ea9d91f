#!/bin/bash
# create-secrets.sh FOLDER: makes the secrets of development there, each once; what exists stays. docker-compose.yml runs it before
# anything else, so that each clone starts with passwords of its own. Production has separate secrets.
# The folder above it becomes its owner's alone; the files are readable, since each server in its container is another user.
set -euo pipefail

folder=$1
mkdir -p "$folder"
chmod 700 "$(dirname "$folder")"
umask 022

write() { # NAME: standard input, unless there is such a secret
  local file=$folder/$1
  # Read either way: who writes into a closed pipe is ended.
  cat >"$file.new"
  [[ ! -s $file ]] || {
    rm "$file.new"
    return 0
  }
  mv "$file.new" "$file"
}
random() { head -c 24 /dev/urandom | base64 | tr '+/' '-_'; }
of() { printf %s "$(<"$folder/$1")"; }

for name in postgres reference pgbouncer pgbouncer_stats postgres_exporter redis mysql_root mysql mysql_exporter \
  mongodb_root mongodb rabbitmq; do
  random | write "${name}_password"
done
random | write vault_token

# What the services are given, and what a server wants in a form of its own.
write database_url <<<"postgres://reference:$(of reference_password)@pgbouncer:6432/reference"
write database_direct_url <<<"postgres://reference:$(of reference_password)@postgres:5432/reference"
write redis_url <<<"redis://default:$(of redis_password)@redis:6379"
write mysql_url <<<"mysql://reference:$(of mysql_password)@mysql:3306/reference"
write mongodb_url <<<"mongodb://reference:$(of mongodb_password)@mongodb:27017/reference"
write rabbitmq_url <<<"amqp://reference:$(of rabbitmq_password)@rabbitmq:5672"
write redis_auth.conf <<CONFIG
requirepass $(of redis_password)
masterauth $(of redis_password)
CONFIG
write rabbitmq_user.conf <<CONFIG
default_user = reference
default_pass = $(of rabbitmq_password)
CONFIG
write redis_exporter_passwords <<JSON
{"redis://redis:6379": "$(of redis_password)"}
JSON

# Files that root made in a container are handed to the owner of the project folder.
if [[ $(id -u) == 0 ]]; then chown -R --reference="$0" "$(dirname "$folder")"; fi
