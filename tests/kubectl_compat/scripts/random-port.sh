#!/bin/bash
# A test's helper: any free port, read out of the first line.
#> web
#> web
# shellcheck disable=SC2086 # $PROG is several words
set -euo pipefail

$PROG --namespace demo service/web :80 >log &
trap 'kill %1' EXIT
until port=$(sed -nE 's/^Forwarding from 127\.0\.0\.1:([0-9]+) -> .*/\1/p' log) && [[ -n $port ]]; do
	sleep 0.05
done
for _ in 1 2; do
	curl -s "http://127.0.0.1:$port/" | sed -E 's/.*"pod": ?"(web)-.*/\1/'
done
