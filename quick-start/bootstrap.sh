#!/bin/sh
# usage: quick-start/bootstrap.sh [--yes] [--sandbox] [--config FILE]
#
# From nothing to five services of a cluster on localhost: makes .venv, picks a cluster, brings up the forwards of
# quick-start/kfw.yaml, talks to each and prints their URLs on stdout (all else goes to stderr). Running it again
# changes nothing. quick-start/stop.sh ends it.
#
#   --yes          ask nothing
#   --sandbox      take the embedded sandbox, whatever clusters there are
#   --config FILE  other forwards than those of quick-start/kfw.yaml
#   --help         this text
#
# The cluster is the kind cluster CLUSTER_NAME (default: openchoreo-local) when docker answers and that cluster has
# all the services; else the sandbox, a small Kubernetes API in one process with pods that really serve.
set -eu

NAME=bootstrap
ROOT=$(cd "$(dirname "$0")/.." && pwd)
VENV=${VENV:-$ROOT/.venv}
CLUSTER_NAME=${CLUSTER_NAME:-openchoreo-local}
. "$ROOT/scripts/tools.sh"
KFW=$VENV/bin/kfw

# services QUESTION...: what services.py knows about the forwards and about kfw
services() { "$VENV/bin/python" "$ROOT/quick-start/services.py" "$@"; }

parse() {
	yes=
	sandbox=
	config=$ROOT/quick-start/kfw.yaml
	while [ $# -gt 0 ]; do
		case $1 in
		--yes | -y) yes=1 ;;
		--sandbox) sandbox=1 ;;
		--config)
			[ $# -gt 1 ] || die 2 "--config needs a file; see --help"
			config=$2
			shift
			;;
		--help | -h)
			help_of "$0"
			exit 0
			;;
		*) die 2 "unknown option $1; see --help" ;;
		esac
		shift
	done
	[ -r "$config" ] || die 2 "cannot read $config"
}

missing_tools() {
	python=$(find_python) || printf 'python3 '
	can_make_venvs "${python:-python3}" || printf 'venv '
	for tool in make socat; do has $tool || printf '%s ' $tool; done
}

# Only .venv cannot do without its tools; make is for `make test`, socat for `method: socat`.
install_missing() {
	missing=$(missing_tools)
	[ -n "$missing" ] || return 0
	# shellcheck disable=SC2086 # a list of words
	line=$(install_line $missing)
	if can_install && agreed "install ${missing% } with: $line"; then
		install "$line"
		return
	fi
	case " $missing" in
	*' python3 '* | *' venv '*) die 8 "cannot make .venv without ${missing% }; install with: $line" ;;
	*) warn "not there: ${missing% }; install with: $line" ;;
	esac
}

# Package managers say much; what they said is shown when they failed.
install() {
	say "running: $1"
	said=$(DEBIAN_FRONTEND=noninteractive sh -c "$1" 2>&1) && return
	printf '%s\n' "$said" >&2
	die 8 "cannot install ${missing% } with: $1"
}

# agreed QUESTION: --yes, or a person at a terminal who says so
agreed() {
	[ -z "$yes" ] || return 0
	[ -t 0 ] || return 1
	printf '%s: %s? [Y/n] ' "$NAME" "$1" >&2
	read -r answer
	case $answer in '' | [Yy]*) ;; *) return 1 ;; esac
}

set_up() {
	for stamp in "$VENV/.installed" "$VENV/.installed-dev"; do
		if [ -e "$stamp" ] && [ -z "$(find "$ROOT/pyproject.toml" -newer "$stamp")" ]; then
			return
		fi
	done
	install_missing
	"$ROOT/scripts/setup.sh"
}

# The reason on stdout, or nothing if the kind cluster can be used
why_not_kind() {
	if [ -n "$sandbox" ]; then
		echo "--sandbox was given"
	elif ! has docker; then
		echo "docker is not installed"
	elif ! docker info >/dev/null 2>&1; then
		echo "docker does not answer"
	elif ! has kind; then
		echo "kind is not installed"
	elif ! kind get clusters 2>/dev/null | grep -qFx "$CLUSTER_NAME"; then
		echo "kind has no cluster $CLUSTER_NAME"
	elif ! has kubectl; then
		echo "kubectl is not installed, so nobody can ask the kind cluster $CLUSTER_NAME for its services"
	elif ! kind_kubeconfig; then
		echo "kind has no kubeconfig for the cluster $CLUSTER_NAME"
	else
		missing_services
	fi
}

# A private copy: the user's own kubeconfig and its current context stay as they are.
kind_kubeconfig() {
	mkdir -p "${KIND_KUBECONFIG%/*}"
	(umask 077 && kind get kubeconfig --name "$CLUSTER_NAME" >"$KIND_KUBECONFIG" 2>/dev/null)
}

missing_services() {
	services targets "$config" | while read -r namespace target; do
		kubectl --kubeconfig "$KIND_KUBECONFIG" --context "kind-$CLUSTER_NAME" --request-timeout 5s \
			get --namespace "$namespace" "$target" >/dev/null 2>&1 </dev/null ||
			echo "the kind cluster $CLUSTER_NAME has no $target in the namespace $namespace"
	done | head -n 1
}

# Sets kubeconfig and context
pick_cluster() {
	KIND_KUBECONFIG=$(services state-dir)/quick-start/kubeconfig
	why=$(why_not_kind)
	if [ -z "$why" ]; then
		say "cluster: the kind cluster $CLUSTER_NAME, which has all the services"
		kubeconfig=$KIND_KUBECONFIG
		context=kind-$CLUSTER_NAME
	else
		say "cluster: the embedded sandbox, because $why"
		kubeconfig=$("$KFW" sandbox start)
		context=kfw-sandbox
	fi
}

# up_since: which of the services are up, and since when
up_since() { "$KFW" status --json 2>/dev/null | services since "$config"; }

# A service that cannot be had (its port is taken, say) does not keep the others from coming up. What `up` shows at its
# end is left out: verify shows the same and more.
bring_up() {
	names=$(services names "$config")
	before=$(up_since)
	result=0
	# shellcheck disable=SC2086 # a list of words
	"$KFW" up --config "$config" --kubeconfig "$kubeconfig" --context "$context" $names >/dev/null || result=$?
	# shellcheck disable=SC2086
	[ $result != 0 ] || "$KFW" verify $names >&2 || result=$?
	[ -z "$before" ] || [ "$before" != "$(up_since)" ] || say "nothing changed"
	"$KFW" status --json | services urls "$config"
}

main() {
	parse "$@"
	set_up
	pick_cluster
	bring_up
	say "to stop: $ROOT/quick-start/stop.sh"
	return $result
}

main "$@"
