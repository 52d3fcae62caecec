#!/bin/bash
# The port is busy: the script takes the next one.
#> Unable to listen on port A: Listeners failed to create with the following errors: [unable to create listener: Error listen tcp4 127.0.0.1:A: bind: address already in use]
#> error: unable to listen on any of the requested ports: [{A 8080}]
#> the next one does it
# shellcheck disable=SC2086 # $PROG is several words
set -uo pipefail

python3 -c '
import socket, sys, time
busy = socket.create_server(("127.0.0.1", int(sys.argv[1])))
print("listening", flush=True)
time.sleep(60)' "$PORT_A" >busy &
trap 'kill $(jobs -p)' EXIT
until grep -q listening busy; do sleep 0.05; done

for port in "$PORT_A" "$PORT_B"; do
	$PROG --address 127.0.0.1 -n demo svc/web "$port":80 >log 2>err &
	forward=$!
	while kill -0 "$forward" 2>/dev/null && ! grep -q Forwarding log; do sleep 0.05; done
	grep -q Forwarding log && break
	grep -v -e '^kfw: ' -e '^ ' err | sed "s/$port/A/g"
done
[[ $port == "$PORT_B" ]] && curl -sf -o /dev/null "http://127.0.0.1:$port/" && echo "the next one does it"
