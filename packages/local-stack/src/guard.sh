# Runs one server for as long as the process that holds the other end of stdin lives.
#
#   sh guard.sh <signal that stops it> <folder to delete at the end, or ''> <log file, or '' for stderr> <command> [argument…]
#
# A parent killed with SIGKILL runs no handler, but the kernel closes its end of the pipe: that is the only thing waited
# for here. Prints the server's pid, then `exit <code>` should the server end by itself.
stop_signal=$1 folder=$2 log=$3
shift 3
# A job in the background has /dev/null as its stdin, so the pipe needs a number of its own.
exec 3<&0 </dev/null
if [ -n "$log" ]; then exec 4>>"$log"; else exec 4>&2; fi
"$@" >&4 2>&4 3<&- 4>&- &
server=$!
# Not before: the server would inherit it. A parent that is gone reads no more, which must not end this script.
trap '' PIPE
echo "$server"
(
  while read -r _ <&3; do :; done
  kill -s "$stop_signal" "$server" 2>/dev/null
  kill -s CONT "$server" 2>/dev/null # a paused server would not hear it
  tenths=0
  while kill -s 0 "$server" 2>/dev/null && [ "$tenths" -lt 150 ]; do
    sleep 0.1
    tenths=$((tenths + 1))
  done
  kill -s KILL "$server" 2>/dev/null
) >/dev/null 2>&1 4>&- &
watcher=$!
exec 4>&- 2>/dev/null
wait "$server"
code=$?
# From here its pid may belong to another process: nothing may signal it any more.
kill -s KILL "$watcher" 2>/dev/null
echo "exit $code" 2>/dev/null
while read -r _ <&3; do :; done
[ -z "$folder" ] || rm -rf "$folder"
