#!/bin/sh
# usage: quick-start/port-forward.sh [--detach] [OPTION...]
#
# Forwards the five services of an existing cluster to localhost, and talks to each. Stays in the foreground until
# Ctrl+C or TERM, then the ports are free again; with --detach it returns, and stop-port-forward.sh ends them.
#
#   --detach, -d        return when the ports work
#   --dry-run           print the command lines that would run, and run none
#   --verbose, -v       VERBOSE=true   show the tools' output
#   --sandbox           the services of the embedded sandbox
#   --config FILE       forwards, instead of those of quick-start/kfw.yaml
#   --cluster-name NAME CLUSTER_NAME (default: openchoreo-local)
#   --worker-node NAME  WORKER_NODE    a node that must exist (all that answer are used)
#   --help, -h          this text
#
# AMP_NS, OBSERVABILITY_NS and DATA_PLANE_NS name the namespaces of the five services.
set -eu

NAME=port-forward
ROOT=$(CDPATH='' cd "$(dirname "$(readlink -f "$0" 2>/dev/null || echo "$0")")/.." && pwd)
. "$ROOT/quick-start/kfw.sh"
OPTIONS='--detach -d --dry-run --verbose -v --sandbox --config= --cluster-name= --worker-node='

main() {
	usage_of "$OPTIONS" "$@"
	set_up
	mode=--foreground
	count=$#
	while [ "$count" -gt 0 ]; do # the arguments without --detach, which is this script's own
		case $1 in
		--detach | -d) mode= ;;
		*) set -- "$@" "$1" ;;
		esac
		shift
		count=$((count - 1))
	done
	bootstrap all --skip-kind --skip-openchoreo --no-services ${mode:+"$mode"} "$@"
}

main "$@"
