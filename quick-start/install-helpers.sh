#!/bin/sh
# usage: . quick-start/install-helpers.sh
#
# Functions for your own scripts, in any POSIX shell. Each returns 0 only when what it says is so, prints nothing but
# data on stdout, and takes the kind cluster CLUSTER_NAME (default: openchoreo-local) by a kubeconfig of kfw's own: your
# current context plays no part and stays as it is.
#
#   setup_amp_port_forwarding [OPTION...]       the five ports, verified, in the background; options of port-forward.sh
#   wait_for_deployment NAME NAMESPACE [TIME]   until its rollout is complete; 1 if it is not within TIME (300s)
#   wait_for_statefulset NAME NAMESPACE [TIME]  the same for a stateful set
#   wait_for_pods NAMESPACE [TIME] [SELECTOR]   until every pod is ready; pods that have ended do not count
#   node_port SERVICE NAMESPACE [PORT]          the node port of a service's port, by number or name, on stdout
#   helm_install_or_upgrade RELEASE CHART VERSION NAMESPACE [OPTION...]
#                                               nothing if it is there; when it fails you see helm's last lines, the pods
#                                               and the events; options of `kfw bootstrap release`
#
# QUICK_START names this folder to a shell that cannot know it (dash and other plain sh). Run, rather than sourced, it
# shows this text.

case ${0##*/} in install-helpers.sh)
	sed -n -e '1d' -e '/^#/!q' -e 's/^# \{0,1\}//p' "$0"
	exit
	;;
esac

# shellcheck disable=SC3028 # where there is no BASH_SOURCE, $0 is asked
SOURCED=${BASH_SOURCE:-$0}
QUICK_START=${QUICK_START:-$(CDPATH='' cd "$(dirname "$(readlink -f "$SOURCED" 2>/dev/null || echo "$SOURCED")")" && pwd)}
unset SOURCED
CLUSTER_NAME=${CLUSTER_NAME:-openchoreo-local}
export CLUSTER_NAME

kfw_bootstrap() { "${VENV:-$QUICK_START/../.venv}/bin/kfw" bootstrap "$@"; }

setup_amp_port_forwarding() { "$QUICK_START/port-forward.sh" --detach "$@"; }

# know_cluster: kind is asked once in a shell, and before anything else
know_cluster() {
	[ -n "${KFW_KUBECONFIG:-}" ] || KFW_KUBECONFIG=$(kfw_bootstrap kind --skip-kind)
}

on_cluster() { KUBECONFIG=$KFW_KUBECONFIG "$@"; }

wait_for_deployment() { rollout "deployment/$1" "$2" "${3:-300s}"; }

wait_for_statefulset() { rollout "statefulset/$1" "$2" "${3:-300s}"; }

# rollout NAME NAMESPACE TIME
rollout() {
	know_cluster || return
	on_cluster kubectl rollout status "$1" --namespace "$2" --timeout "$3" >&2 && return
	show_trouble "$2"
	return 1
}

wait_for_pods() {
	know_cluster || return
	which=--all
	[ -z "${3:-}" ] || which=--selector=$3
	on_cluster kubectl wait pod "$which" --for condition=Ready --namespace "$1" --timeout "${2:-300s}" \
		--field-selector 'status.phase!=Succeeded,status.phase!=Failed' >&2 && return
	show_trouble "$1"
	return 1
}

# Several ports and none named is an error: the first one is seldom the one that is meant.
node_port() {
	know_cluster || return
	if [ -n "${3:-}" ]; then
		ports="?(@.name=='$3')"
		case $3 in *[!0-9]*) ;; *) ports="?(@.port==$3)" ;; esac
	else
		ports='*'
	fi
	found=$(on_cluster kubectl get service "$1" --namespace "$2" --output "jsonpath={.spec.ports[$ports].nodePort}") || return
	case $found in
	'') problem "service/$1 in $2 has no node port${3:+ for its port $3}; it is of the type $(service_type "$1" "$2")" ;;
	*' '*) problem "service/$1 in $2 has several ports, name one of them" ;;
	*) printf '%s\n' "$found" ;;
	esac
}

service_type() { on_cluster kubectl get service "$1" --namespace "$2" --output 'jsonpath={.spec.type}'; }

problem() {
	printf 'install-helpers: %s\n' "$*" >&2
	return 1
}

helm_install_or_upgrade() {
	release=$1 chart=$2 version=$3 namespace=$4
	shift 4
	kfw_bootstrap release "$release" --chart "$chart" --version "$version" --namespace "$namespace" "$@"
}

# show_trouble NAMESPACE: what one looks at first
show_trouble() {
	on_cluster kubectl get pods --namespace "$1" --output wide >&2
	on_cluster kubectl get events --namespace "$1" --sort-by .lastTimestamp 2>&1 | tail -n 20 >&2
}
