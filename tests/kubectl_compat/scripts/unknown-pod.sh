#!/bin/sh
# A deployment script says why it cannot go on, and with which code.
#> exit 1
#> Error from server (NotFound): pods "web-0" not found
#> nothing on stdout
#> exit 1
#> Error from server (NotFound): deployments.apps "wbe" not found
# shellcheck disable=SC2086 # $PROG is several words
set -u

code=0
$PROG -n demo pod/web-0 "$PORT_A":80 >out 2>err || code=$?
echo "exit $code"
head -n 1 err
[ -s out ] || echo "nothing on stdout"

if ! $PROG -n demo deploy/wbe "$PORT_A":80 >out 2>err; then
	echo "exit 1"
	head -n 1 err
fi
