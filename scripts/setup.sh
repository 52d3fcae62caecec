#!/bin/sh
# usage: scripts/setup.sh [EXTRA]
#
# Makes .venv with kfw in it (editable), or brings it up to date; with EXTRA also what that extra of
# pyproject.toml names (dev: all that the tests and checks need). Running it again is harmless.
#
#   PYTHON  the interpreter to use, 3.11 or later (default: the first one found)
#   VENV    where to make it (default: .venv beside the Makefile)
set -eu

NAME=setup
ROOT=$(cd "$(dirname "$0")/.." && pwd)
VENV=${VENV:-$ROOT/.venv}
. "$ROOT/scripts/tools.sh"

new_enough() { "$1" -c 'import sys; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1; }

# The interpreter's name on stdout, or nothing and 1
find_python() {
	if [ -n "${PYTHON:-}" ]; then
		new_enough "$PYTHON" && printf '%s\n' "$PYTHON"
		return
	fi
	for candidate in python3 python3.14 python3.13 python3.12 python3.11; do
		if new_enough "$candidate"; then
			printf '%s\n' "$candidate"
			return
		fi
	done
	return 1
}

make_venv() {
	python=$(find_python) ||
		die 8 "cannot find ${PYTHON:-python3} of version 3.11 or later; install it with: $(install_line python3 venv)"
	"$python" -c 'import ensurepip, venv' 2>/dev/null ||
		die 8 "cannot make .venv: $python has no ensurepip; install it with: $(install_line venv)"
	say "making $VENV with $("$python" --version)"
	"$python" -m venv --clear "$VENV"
}

main() {
	extra=${1:-}
	stamp=$VENV/.installed${extra:+-$extra}
	"$VENV/bin/python" -c '' >/dev/null 2>&1 || make_venv
	say "installing kfw${extra:+ and what $extra needs}"
	"$VENV/bin/python" -m pip install --quiet --disable-pip-version-check --editable "$ROOT${extra:+[$extra]}"
	touch "$stamp"
}

main "$@"
