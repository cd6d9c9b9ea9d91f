#!/bin/bash
# Exit code 0 when MongoDB answers `hello`, which needs no login. mongosh would take 100 MB of the container's memory and a
# second of CPU each time.
exec 3<>/dev/tcp/127.0.0.1/27017 || exit 1
# OP_MSG (2013), 52 bytes: header, flags, section 0 with the BSON of { hello: 1, $db: 'admin' }.
printf '\x34\0\0\0\x01\0\0\0\0\0\0\0\xdd\x07\0\0\0\0\0\0\0\x1f\0\0\0\x10hello\0\x01\0\0\0\x02$db\0\x06\0\0\0admin\0\0' >&3
timeout 2 head -c 300 <&3 | grep -aqE 'isWritablePrimary|secondary'
