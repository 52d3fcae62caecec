#!/bin/bash
# A pid file, as an init script has it: started with nohup, stopped by its number, and then the port is free.
#> started
#> ended 143
#> free
# shellcheck disable=SC2086 # $PROG is several words
set -uo pipefail

nohup $PROG -n demo deployment/web "$PORT_A":http >nohup.out 2>&1 &
echo $! >forward.pid
until grep -q "^Forwarding" nohup.out; do sleep 0.05; done
curl -s -o /dev/null "http://localhost:$PORT_A/" && echo started
kill "$(cat forward.pid)"
wait "$(cat forward.pid)"
echo "ended $?"
(exec 3<>"/dev/tcp/127.0.0.1/$PORT_A") 2>/dev/null || echo free
