#!/bin/sh
# usage: scripts/onefile.sh [FILE]
#
# Makes one file that is kfw with all its extras (default: build/kfw.pex), and prints its path. It runs where there is a
# Python of the same minor version on the same kind of machine as here. At its first start it unpacks itself into
# ~/.cache/pex, which takes seconds; later it starts as quickly as an installed kfw.
#
#   PYTHON  the interpreter it is for (default: the first one found)
set -eu

NAME=onefile
ROOT=$(CDPATH='' cd "$(dirname "$(readlink -f "$0" 2>/dev/null || echo "$0")")/.." && pwd)
. "$ROOT/scripts/tools.sh"
. "$ROOT/scripts/packaging.sh"

main() {
	only_a_path "$0" "$@"
	choose_python
	file=${1:-$BUILD/kfw.pex}
	make_wheels
	need_tool pex
	# --venv: an environment of its own, whose interpreter can run kfw again, as a daemon. --sh-boot: once that is there,
	# a few lines of shell lead to it, and pex itself need not start.
	"$TOOLS/bin/python" -m pex --pre-resolved-dists "$WHEELS" "kfw-cli[$EXTRAS]" --script kfw --venv --sh-boot \
		--python-shebang '/usr/bin/env python3' --output-file "$file" >&2
	printf '%s\n' "$file"
}

main "$@"
