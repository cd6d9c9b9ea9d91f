#!/bin/bash
# Exit code 0 when RabbitMQ answers an AMQP greeting. `rabbitmq-diagnostics` starts an Erlang VM for each check, which
# costs a second of CPU and 60 MB of the container's memory.
exec 3<>/dev/tcp/127.0.0.1/5672 || exit 1
printf 'AMQP\0\0\x09\x01' >&3
# Connection.Start: a method frame on channel 0; the first of the server's properties are its capabilities.
timeout 2 head -c 40 <&3 | grep -aq capabilities
