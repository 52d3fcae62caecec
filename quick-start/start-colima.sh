#!/bin/sh
# usage: quick-start/start-colima.sh [--yes] [--dry-run] [--profile NAME]
#
# Checks that Colima is large enough for the quick start: the binary, the profile, its runtime, 4 CPUs and 8 GiB, the docker socket
# and which docker context wins. Starts the profile if it does not run and you agree; one that runs is never stopped or
# changed, the command that would do it is printed.
#
#   --yes, -y       start it without a question
#   --dry-run       print the command lines that would run, and run none
#   --profile NAME  COLIMA_PROFILE (default: default)
#   --help, -h      this text
set -eu

NAME=start-colima
ROOT=$(CDPATH='' cd "$(dirname "$(readlink -f "$0" 2>/dev/null || echo "$0")")/.." && pwd)
. "$ROOT/quick-start/kfw.sh"

main() {
	usage_of '--yes -y --dry-run --profile= -p=' "$@"
	set_up
	bootstrap colima "$@"
}

main "$@"
