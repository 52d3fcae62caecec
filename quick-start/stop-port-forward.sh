#!/bin/sh
# usage: quick-start/stop-port-forward.sh [--dry-run] [--config FILE]
#
# Ends what bootstrap.sh and port-forward.sh brought to localhost: the forwards of quick-start/kfw.yaml with all that
# carries them, also what a killed kfw left behind, and nothing else. The cluster stays; other forwards of
# kfw, too. Running it again is harmless.
#
#   --dry-run      say what would be ended
#   --config FILE  the forwards that bootstrap.sh was told to bring up
#   --help, -h     this text
set -eu

NAME=stop-port-forward
ROOT=$(CDPATH='' cd "$(dirname "$(readlink -f "$0" 2>/dev/null || echo "$0")")/.." && pwd)
. "$ROOT/quick-start/kfw.sh"

main() {
	usage_of '--dry-run --config=' "$@"
	is_set_up || {
		say "nothing was set up"
		exit 0
	}
	bootstrap stop "$@"
}

main "$@"
