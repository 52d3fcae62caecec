#!/bin/bash
# Several ports of one service, as numbers and names; each line has its place.
#> 4 lines
#> 9000
#> 8080
#> 200
#> interrupted 0
# shellcheck disable=SC2086 # $PROG is several words
set -uo pipefail

$PROG -n demo svc/multi "$PORT_A":http "$PORT_B":9000 >log 2>err &
until [[ $(grep -c '^Forwarding' log) -ge 4 ]]; do sleep 0.05; done
echo "$(wc -l <log | tr -d ' ') lines"
awk -v port="$PORT_B" '$3 == "127.0.0.1:" port { print $5 }' log
awk -v port="$PORT_A" '$3 == "[::1]:" port { print $5 }' log
curl -s -o /dev/null -w '%{http_code}\n' "http://localhost:$PORT_A/"
kill -INT $!
wait $!
echo "interrupted $?"
