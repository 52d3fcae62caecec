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
ROOT=$(CDPATH='' cd "$(dirname "$(readlink -f "$0" 2>/dev/null || echo "$0")")/.." && pwd)
VENV=${VENV:-$ROOT/.venv}
. "$ROOT/scripts/tools.sh"

make_venv() {
	python=$(find_python) ||
		die 8 "cannot find ${PYTHON:-python3} of version 3.11 or later; install it with: $(install_line python3 venv)"
	can_make_venvs "$python" ||
		die 8 "cannot make $VENV, $python has no ensurepip; install it with: $(install_line venv)"
	say "making $VENV with $("$python" --version)"
	"$python" -m venv --clear "$VENV"
}

main() {
	extra=${1:-}
	"$VENV/bin/python" -c '' >/dev/null 2>&1 || make_venv
	say "installing kfw${extra:+ and what the extra $extra names}"
	"$VENV/bin/python" -m pip install --quiet --disable-pip-version-check --editable "$ROOT${extra:+[$extra]}"
	touch "$VENV/.installed${extra:+-$extra}"
}

main "$@"
