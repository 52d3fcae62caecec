#!/bin/sh
# usage: docker run [OPTION...] kfw-quick-start [COMMAND ARGUMENT...]
#
# The first process of the quick start's container. Runs COMMAND as it is given, or a shell without one, as the user kfw,
# who may use the docker socket if one is mounted. TERM ends the command and the container.
#
#   -v /var/run/docker.sock:/var/run/docker.sock   for kind, and to attach itself to kind's network
#   -v FILE:/kubeconfig:ro                         a kubeconfig; needed where there is no docker socket
#   -p 127.0.0.1:3000:3000                         a port on this machine's localhost; the same for each of the five
#   -v NAME:/state                                 what is to outlive the container
#
#   KFW_ADDRESS    where kfw listens (default: 0.0.0.0 in a network of its own, so that docker can publish the ports;
#                  127.0.0.1 in the host's network)
#   KFW_CONTAINER  this container's name or id, where it cannot find out
set -eu

NAME=entrypoint
ROOT=$(CDPATH='' cd "$(dirname "$(readlink -f "$0" 2>/dev/null || echo "$0")")/.." && pwd)
. "$ROOT/scripts/tools.sh"
SOCKET=${DOCKER_SOCKET:-/var/run/docker.sock}

# In a network of its own the interfaces but `lo` have their other end elsewhere.
own_network() {
	for interface in /sys/class/net/*; do
		[ -e "$interface/iflink" ] && [ "${interface##*/}" != lo ] || continue
		[ "$(cat "$interface/ifindex")" != "$(cat "$interface/iflink")" ] || return 1
	done
}

# The config that kfw reads before the project's; written at each start, as the network may be another one.
choose_address() {
	if [ -z "${KFW_ADDRESS:-}" ]; then
		if own_network; then KFW_ADDRESS=0.0.0.0; else KFW_ADDRESS=127.0.0.1; fi
	fi
	printf 'defaults: {address: %s}\n' "$KFW_ADDRESS" >"$XDG_CONFIG_HOME/kfw/config.yaml"
}

# The user kfw gets a copy, as the file may be readable for its owner alone.
take_kubeconfig() {
	[ -f /kubeconfig ] || return 0
	mkdir -p "${KUBECONFIG%/*}"
	cp /kubeconfig "$KUBECONFIG"
	chmod 600 "$KUBECONFIG"
	[ "$(id -u)" != 0 ] || chown -R 1000:1000 "${KUBECONFIG%/*}"
}

# The groups that kfw needs besides its own: that of the socket, whatever it is called; on Docker Desktop it is root's.
groups_of_kfw() {
	printf '1000'
	[ ! -S "$SOCKET" ] || printf ',%s' "$(stat -c %g "$SOCKET")"
}

# as_kfw COMMAND...: root is given up for good. Whoever was made somebody else by --user stays that.
as_kfw() {
	if [ "$(id -u)" = 0 ]; then
		set -- setpriv --reuid 1000 --regid 1000 --groups "$(groups_of_kfw)" --inh-caps=-all --no-new-privs "$@"
	fi
	exec "$@"
}

# Says what of docker is there, and attaches this container to the network of kind if that exists.
attach() {
	if [ ! -S "$SOCKET" ]; then
		say "no docker socket at $SOCKET: kind is not available here; kfw uses the cluster of $KUBECONFIG"
	elif ! docker version >/dev/null 2>&1; then
		said=$(docker version 2>&1 >/dev/null | tail -n 1)
		warn "docker does not answer at $SOCKET: $said; $(socket_fix)"
	else
		kfw bootstrap attach || true
	fi
}

socket_fix() {
	if [ -w "$SOCKET" ]; then
		printf 'is a docker daemon running behind it?'
	else
		printf 'user %s is not in its group: docker run --group-add %s' "$(id -u)" "$(stat -c %g "$SOCKET")"
	fi
}

# run COMMAND...: dumb-init passes signals on. An interactive shell ignores TERM, so it gets HUP instead.
run() {
	[ "${1:-}" != --help ] || {
		help_of "$0"
		exit 0
	}
	attach
	[ $# -eq 0 ] || exec dumb-init -- "$@"
	[ -t 0 ] || exec dumb-init -- bash
	exec dumb-init --rewrite 15:1 -- bash --rcfile "$ROOT/quick-start/shell.bash"
}

main() {
	trap 'exit 143' TERM
	choose_address
	take_kubeconfig
	as_kfw "$0" --as-kfw "$@"
}

if [ "${1:-}" = --as-kfw ]; then
	shift
	run "$@"
else
	main "$@"
fi
