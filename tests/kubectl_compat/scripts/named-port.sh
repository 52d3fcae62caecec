#!/bin/bash
# Bash reads the lines straight from the program, names the port by its name, and talks to it.
#> 127.0.0.1 to 5432
#> ::1 to 5432
#> hello from db-0
# shellcheck disable=SC2086 # $PROG is several words
set -euo pipefail

exec 3< <(exec $PROG -n demo statefulset/db :db 2>/dev/null)
forward=$!
trap 'kill $forward' EXIT
port=
for _ in 1 2; do
	read -r _ _ from _ to <&3
	host=${from%:*}
	host=${host#[}
	echo "${host%]} to $to"
	port=${from##*:}
done
exec 4<>"/dev/tcp/127.0.0.1/$port"
read -r greeting <&4
echo "$greeting"
