#!/bin/sh
# A container shows a port to the outside: every address of the machine.
#> Forwarding from 0.0.0.0:A -> 8080
#> 200
#> Handling connection for A
# shellcheck disable=SC2086 # $PROG is several words
set -eu
trap 'kill $! 2>/dev/null || true' EXIT

$PROG --address 0.0.0.0 -n demo svc/web "$PORT_A":80 >log 2>&1 &
until grep -q Forwarding log; do sleep 0.05; done
sed "s/$PORT_A/A/" log
curl -s -o /dev/null -w '%{http_code}\n' "http://127.0.0.2:$PORT_A/"
sleep 0.2
tail -n 1 log | sed "s/$PORT_A/A/"
