#!/bin/sh
# usage: scripts/python.sh VERSION
#
# The path of an interpreter of this version (3.13) on stdout; 8 when none is to be had here. Looks on PATH, then among
# pyenv's, then in this system's packages, which root installs.
#
#   make test PYTHON="$(scripts/python.sh 3.13)" VENV=.venv-3.13
set -eu

NAME=python
ROOT=$(CDPATH='' cd "$(dirname "$(readlink -f "$0" 2>/dev/null || echo "$0")")/.." && pwd)
. "$ROOT/scripts/tools.sh"

# A shim of pyenv is on PATH also where its version is not the chosen one; it fails then.
works() { "$1" -c 'import ensurepip, ssl, venv' >/dev/null 2>&1; }

candidates() {
	command -v "python$1" || true
	printf '%s\n' "${PYENV_ROOT:-${HOME:-/root}/.pyenv}/versions/$1".*/bin/python /usr/bin/"python$1" /usr/local/bin/"python$1"
}

find_version() {
	for candidate in $(candidates "$1"); do
		if works "$candidate"; then
			printf '%s\n' "$candidate"
			return
		fi
	done
	return 1
}

install() {
	[ "$(package_manager)" = apt-get ] && [ "$(id -u)" = 0 ] || return 1
	apt-get update -qq >&2
	DEBIAN_FRONTEND=noninteractive apt-get install -y -qq "python$1" "python$1-venv" >/dev/null 2>&1
}

main() {
	case ${1:-} in
	3.[0-9]*) ;;
	*)
		help_of "$0" >&2
		exit 2
		;;
	esac
	find_version "$1" && return
	install "$1" && find_version "$1" && return
	die 8 "no Python $1 on PATH, of pyenv or in this system's packages"
}

main "$@"
