# Sourced by the scripts that start a node of a cluster. Keeps the node connected when containers return with other addresses.
# shellcheck shell=bash
#
# Nodes know each other by id and address. A node that returns with a new address contacts the others, which store it. Two cases
# remain:
# - All addresses changed (down and up, a restart of the engine): no node finds another. A MEET by name repairs that: the answer
#   carries the known id, and the address is replaced.
# - Two nodes exchanged their addresses: gossip corrects the address of a master, but its replica goes on to ask the old one for data
#   (redis/redis#14633). REPLICATE with the same master repairs that.

# keep_joined CLI…: for as long as the container lives. CLI is the command that reaches this node as an administrator.
keep_joined() {
  local pause=1 was_whole=-1 changed=$SECONDS is_whole
  while sleep "$pause"; do
    is_whole=0
    if repair_links "$@" && repair_replication "$@"; then is_whole=1; fi
    ((is_whole == was_whole)) || changed=$SECONDS was_whole=$is_whole
    # Links may look whole for a moment after the start, before the first answers; and a node may never return.
    if ((SECONDS - changed < (is_whole ? 10 : 120))); then pause=1; else pause=10; fi
  done
}

# Exit code 0 when every known node is linked. Before the cluster is created there is no other node.
repair_links() {
  local view name address
  view=$("$@" CLUSTER NODES 2>/dev/null) || return 1
  ! grep -qE 'fail|noaddr|disconnected' <<<"$view" || {
    while read -r name; do
      address=$(getent ahostsv4 "$name" | awk 'NR == 1 { print $1 }') || true
      [[ -z $address ]] || "$@" CLUSTER MEET "$address" 6379 >/dev/null 2>&1 || true
    done < <(awk '/fail|noaddr|disconnected/ && !/myself/ { split($2, at, ","); if (at[2] != "") print at[2] }' <<<"$view")
    return 1
  }
}

# Exit code 0 when this node is a master, or asks its master for data at the address that the cluster knows.
repair_replication() {
  local view asked master known
  view=$("$@" CLUSTER NODES 2>/dev/null) || return 1
  master=$(awk '/myself/ { print $4 }' <<<"$view")
  [[ $master != - ]] || return 0
  asked=$("$@" INFO replication 2>/dev/null | tr -d '\r' | sed -n 's/^master_host://p')
  known=$(awk -v id="$master" '$1 == id && !/noaddr/ { split($2, at, ":"); print at[1] }' <<<"$view")
  [[ -z $known || $asked == "$known" ]] && return 0
  "$@" CLUSTER REPLICATE "$master" >/dev/null 2>&1 || true
  return 1
}
