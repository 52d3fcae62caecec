#!/bin/sh
# usage: quick-start/bootstrap.sh [OPTION...]
#
# From nothing to five services of a local cluster on localhost: kfw in .venv, prerequisites, a kind cluster and its
# kubeconfig, the platform, the forwards of quick-start/kfw.yaml, and a talk with each. Prints their names and URLs on
# stdout; all else goes to stderr. Running it again changes nothing. Without docker or kind the cluster is the embedded
# sandbox, a small Kubernetes API in one process with pods that really serve.
#
#   --yes, -y           ask nothing
#   --dry-run           print the command lines that would run, and run none
#   --verbose, -v       VERBOSE=true             show the tools' output
#   --kind              use a kind cluster or fail, never the sandbox
#   --sandbox           always use the sandbox
#   --skip-kind         SKIP_KIND=true           the cluster exists: do not create one
#   --skip-openchoreo   SKIP_OPENCHOREO=true     no OpenChoreo and AMP: the stand-ins of services.yaml
#   --minimal           MINIMAL_MODE=true        OpenChoreo without its build and observability planes
#   --no-port-forward   AUTO_PORT_FORWARD=false  stop before the forwards
#   --use-context       make the cluster's context the current one of your kubeconfig
#   --config FILE       forwards, instead of those of quick-start/kfw.yaml
#   --kind-config FILE  the cluster, instead of that of quick-start/kind-config.yaml
#   --services FILE     stand-ins, instead of those of quick-start/services.yaml
#   --cluster-name NAME CLUSTER_NAME (default: openchoreo-local)
#   --worker-node NAME  WORKER_NODE              a node that must exist (all that answer are used)
#   --help, -h          this text
#
# AMP_NS, OBSERVABILITY_NS and DATA_PLANE_NS name the namespaces of the five services.
set -eu

NAME=bootstrap
ROOT=$(CDPATH='' cd "$(dirname "$(readlink -f "$0" 2>/dev/null || echo "$0")")/.." && pwd)
. "$ROOT/quick-start/kfw.sh"
OPTIONS='--yes -y --dry-run --verbose -v --kind --sandbox --skip-kind --skip-openchoreo --minimal --no-port-forward
	--use-context --config= --kind-config= --services= --cluster-name= --worker-node='

main() {
	usage_of "$OPTIONS" "$@"
	set_up
	bootstrap all "$@"
}

main "$@"
