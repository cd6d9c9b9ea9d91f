#!/bin/sh
# Configures a Vault for the APIs; it can be repeated at any time. Checked against the documentation of Vault 1.21.
#   VAULT_ADDR, VAULT_TOKEN(_FILE)   an operator's; in development the root token of the dev server
#   SECRETS                          folder with the files of the values (/run/secrets)
#   OUT                              where role_id and secret_id are written, mode 0644 in a folder that only containers mount
# An API then reads at its start: VAULT_ADDR, VAULT_SECRET_PATH=secret/reference/api, VAULT_ROLE_ID_FILE, VAULT_SECRET_ID_FILE.
set -eu

here=$(dirname "$0")
secrets=${SECRETS:-/run/secrets}
out=${OUT:-/vault/approle}
if [ -n "${VAULT_TOKEN_FILE:-}" ]; then
  VAULT_TOKEN=$(cat "$VAULT_TOKEN_FILE")
  export VAULT_TOKEN
fi

# -dev mounts KV v2 at secret/; on another server this does.
vault secrets list -format=json | grep -q '"secret/"' || vault secrets enable -path=secret -version=2 kv
vault auth list -format=json | grep -q '"approle/"' || vault auth enable approle
vault policy write reference-api "$here/reference-api.hcl"

# A login yields a token for five minutes and two calls, the read and its revocation, so it is useless once the API runs. The secret id is valid as long as
# a deployment; bind it to the containers' network in production (secret_id_bound_cidrs).
vault write auth/approle/role/reference-api \
  token_policies=reference-api token_no_default_policy=true \
  token_ttl=5m token_max_ttl=5m token_num_uses=2 \
  secret_id_ttl="${SECRET_ID_TTL:-720h}" secret_id_num_uses=0

# The keys are names of settings. Values pass through files, so that none appears in a list of processes.
vault kv put -mount=secret reference/api \
  DATABASE_URL="@$secrets/database_url" \
  DATABASE_DIRECT_URL="@$secrets/database_direct_url" \
  REDIS_URL="@$secrets/redis_url"

mkdir -p "$out"
vault read -field=role_id auth/approle/role/reference-api/role-id >"$out/role_id"
vault write -force -field=secret_id auth/approle/role/reference-api/secret-id >"$out/secret_id"
