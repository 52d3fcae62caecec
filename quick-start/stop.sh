#!/bin/sh
# usage: quick-start/stop.sh [--config FILE]
#
# Ends what quick-start/bootstrap.sh started: its forwards and the sandbox. Other forwards stay up, and so does kfw's
# daemon (`kfw stop` ends it). Running it again is harmless.
#
#   --config FILE  the forwards that bootstrap.sh was told to bring up
#   --help         this text
set -eu

NAME=stop
ROOT=$(cd "$(dirname "$0")/.." && pwd)
VENV=${VENV:-$ROOT/.venv}
. "$ROOT/scripts/tools.sh"
KFW=$VENV/bin/kfw

parse() {
	config=$ROOT/quick-start/kfw.yaml
	case ${1:-} in
	'') ;;
	--config)
		[ $# -gt 1 ] || die 2 "--config needs a file; see --help"
		config=$2
		;;
	--help | -h)
		help_of "$0"
		exit 0
		;;
	*) die 2 "unknown option $1; see --help" ;;
	esac
	[ -r "$config" ] || die 2 "cannot read $config"
}

main() {
	parse "$@"
	if [ ! -x "$KFW" ]; then
		say "nothing was set up"
		exit 0
	fi
	names=$("$VENV/bin/python" "$ROOT/quick-start/services.py" names "$config")
	# shellcheck disable=SC2086 # a list of words
	"$KFW" down $names >&2 || say "no forwards were up"
	"$KFW" sandbox stop >&2
}

main "$@"
