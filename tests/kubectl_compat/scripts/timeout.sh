#!/bin/bash
# Forwarded only for as long as something takes, by timeout(1); and tried again until there is something to forward.
#> timed out 124
#> gave up after 3
# shellcheck disable=SC2086 # $PROG is several words
set -uo pipefail

timeout 5 $PROG -n demo svc/web "$PORT_A":80 >log 2>&1 &
until grep -q Forwarding log || ! kill -0 $! 2>/dev/null; do sleep 0.05; done
curl -sf -o /dev/null "http://localhost:$PORT_A/"
wait $!
echo "timed out $?"

tries=0
until $PROG -n demo svc/later "$PORT_A":80 >/dev/null 2>&1; do
	tries=$((tries + 1))
	[[ $tries -lt 3 ]] || break
	sleep 0.1
done
echo "gave up after $tries"
