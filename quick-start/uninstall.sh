#!/bin/sh
# usage: quick-start/uninstall.sh [--yes] [OPTION...]
#
# Removes what bootstrap.sh created: the forwards, the platform's releases, and the cluster (the kind cluster
# CLUSTER_NAME, or the sandbox). Asks first, for a literal yes. .venv and what package managers installed stay.
#
#   --yes, -y           ask nothing
#   --dry-run           print the command lines that would run, and run none
#   --keep-cluster      only the forwards and the releases
#   --config FILE       the forwards that bootstrap.sh was told to bring up
#   --cluster-name NAME CLUSTER_NAME (default: openchoreo-local)
#   --help, -h          this text
#
# AMP_NS, OBSERVABILITY_NS and DATA_PLANE_NS name the namespaces of the five services.
set -eu

NAME=uninstall
ROOT=$(CDPATH='' cd "$(dirname "$(readlink -f "$0" 2>/dev/null || echo "$0")")/.." && pwd)
. "$ROOT/quick-start/kfw.sh"

main() {
	usage_of '--yes -y --dry-run --keep-cluster --config= --cluster-name=' "$@"
	is_set_up || {
		say "nothing was set up"
		exit 0
	}
	bootstrap uninstall "$@"
}

main "$@"
