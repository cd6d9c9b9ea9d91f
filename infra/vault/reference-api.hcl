# What an API may do in Vault: read its own secret, nothing else; no list, no write, no other path. KV v2 keeps values under
# data/. A service reads once at its
# start and then revokes its token.
path "secret/data/reference/api" {
  capabilities = ["read"]
}
path "auth/token/revoke-self" {
  capabilities = ["update"]
}
