#!/bin/bash
# create-secrets.sh FOLDER: creates missing secrets of development in the folder; existing ones stay. docker-compose.yml runs it
# first, so that each clone has its own passwords. Production has separate secrets.
# Only the owner may enter the parent folder. The files are readable, because each server runs as another user in its container.
set -euo pipefail

folder=$1
mkdir -p "$folder"
chmod 700 "$(dirname "$folder")"
umask 022

write() { # NAME: stores standard input, unless the secret exists
  local file=$folder/$1
  # Read the input in any case: a writer into a closed pipe would be killed.
  cat >"$file.new"
  [[ ! -s $file ]] || {
    rm "$file.new"
    return 0
  }
  mv "$file.new" "$file"
}
random() { head -c 24 /dev/urandom | base64 | tr '+/' '-_'; }
of() { printf %s "$(<"$folder/$1")"; }

passwords() { for name in "$@"; do random | write "${name}_password"; done; }

passwords postgres reference reference_api pgbouncer pgbouncer_stats postgres_exporter redis

# Secrets of the services, and the forms that single servers need.
write database_url <<<"postgres://reference_api:$(of reference_api_password)@pgbouncer:6432/reference"
write database_direct_url <<<"postgres://reference_api:$(of reference_api_password)@postgres:5432/reference"
write database_owner_url <<<"postgres://reference:$(of reference_password)@postgres:5432/reference"
write redis_url <<<"redis://default:$(of redis_password)@redis:6379"
write redis_auth.conf <<CONFIG
requirepass $(of redis_password)
masterauth $(of redis_password)
CONFIG
write redis_exporter_passwords <<JSON
{"redis://redis:6379": "$(of redis_password)"}
JSON

# part:mysql
passwords mysql_root mysql mysql_exporter
write mysql_url <<<"mysql://reference:$(of mysql_password)@mysql:3306/reference"
# end:mysql
# part:mongodb
passwords mongodb_root mongodb
write mongodb_url <<<"mongodb://reference:$(of mongodb_password)@mongodb:27017/reference"
# end:mongodb
# part:rabbitmq
passwords rabbitmq
write rabbitmq_url <<<"amqp://reference:$(of rabbitmq_password)@rabbitmq:5672"
write rabbitmq_user.conf <<CONFIG
default_user = reference
default_pass = $(of rabbitmq_password)
CONFIG
# end:rabbitmq
random | write vault_token # part:vault

# Give files that root created in a container to the owner of the project folder.
if [[ $(id -u) == 0 ]]; then chown -R --reference="$0" "$(dirname "$folder")"; fi
