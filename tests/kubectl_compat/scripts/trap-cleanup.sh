#!/bin/bash
# Two services for the length of a test, ended by a trap whatever happens; the test's own code comes through.
#> web and db are there
#> the test failed: 3
#> A is closed
#> B is closed
# shellcheck disable=SC2086 # $PROG is several words
set -uo pipefail

with_services() (
	set -e
	$PROG -n demo svc/web "$PORT_A":80 >web.log 2>&1 &
	$PROG -n demo pod/db-0 "$PORT_B":5432 >db.log 2>&1 &
	trap 'kill $(jobs -p); wait' EXIT
	for log in web.log db.log; do
		timeout 30 sh -c "until grep -q 'Forwarding from' $log; do sleep 0.1; done"
	done
	"$@"
)

the_test() {
	curl -sf -o /dev/null "http://localhost:$PORT_A/"
	[[ $(head -c 5 <"/dev/tcp/127.0.0.1/$PORT_B") == hello ]] && echo "web and db are there"
	return 3
}

with_services the_test
echo "the test failed: $?"
curl -s "http://localhost:$PORT_A/" || echo "A is closed"
(exec 3<>"/dev/tcp/127.0.0.1/$PORT_B") 2>/dev/null || echo "B is closed"
