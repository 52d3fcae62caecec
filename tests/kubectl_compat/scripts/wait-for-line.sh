#!/bin/sh
# A CI job: start it, wait for the line, test, end it.
#> ready
#> 200
#> stopped
# shellcheck disable=SC2086 # $PROG is several words
set -eu
trap 'kill $! 2>/dev/null || true' EXIT

$PROG -n demo svc/web "$PORT_A":80 >log 2>&1 &
for _ in $(seq 200); do
	if grep -q "Forwarding from 127.0.0.1:$PORT_A -> 8080" log; then break; fi
	sleep 0.1
done
grep -q "Forwarding from" log && echo ready
curl -s -o /dev/null -w '%{http_code}\n' "http://localhost:$PORT_A/healthz"
kill $!
wait $! || true
curl -s "http://localhost:$PORT_A/" || echo stopped
