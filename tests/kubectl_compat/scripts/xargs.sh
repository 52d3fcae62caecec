#!/bin/bash
# A list of what is needed, all at once by xargs, ended together as a group.
#> 2 forwards
#> 200
#> hello from db-0
#> all ended
set -uo pipefail

export PROG
cat >list <<LIST
svc/web $PORT_A:80
sts/db $PORT_B:5432
LIST
set -m
# shellcheck disable=SC2016 # for the inner shell
xargs -P 2 -n 2 sh -c 'exec $PROG -n demo "$@"' forward <list >log 2>&1 &
until [[ $(grep -c '^Forwarding from 127' log) -eq 2 ]]; do sleep 0.05; done
echo "$(grep -c '^Forwarding from 127' log) forwards"
curl -s -o /dev/null -w '%{http_code}\n' "http://127.0.0.1:$PORT_A/"
head -n 1 <"/dev/tcp/127.0.0.1/$PORT_B"
kill -TERM -- -$!
wait 2>/dev/null
curl -s "http://127.0.0.1:$PORT_A/" || echo "all ended"
