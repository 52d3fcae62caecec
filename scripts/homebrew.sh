#!/bin/sh
# usage: scripts/homebrew.sh [FORMULA]
#
# Writes a Homebrew formula for kfw with all its extras (default: build/kfw.rb), and prints its path: `brew install --formula
# build/kfw.rb` installs it. The source is an archive of this checkout, in the same folder, unless URL names where it
# will be. The packages that kfw needs are those that uv finds for Homebrew's Python in the index that pip uses, with the
# address and the sum of each source archive.
#
#   URL  where brew gets kfw's source archive from
set -eu

NAME=homebrew
ROOT=$(CDPATH='' cd "$(dirname "$(readlink -f "$0" 2>/dev/null || echo "$0")")/.." && pwd)
. "$ROOT/scripts/tools.sh"
. "$ROOT/scripts/packaging.sh"
BREW_PYTHON=3.13

# pip's index is uv's, too
lock_file() {
	index=$("$TOOLS/bin/python" -m pip config get global.index-url 2>/dev/null || true)
	extras=$(printf '%s' "$EXTRAS" | sed 's/[^,]*/--extra &/g; s/,/ /g')
	index=${PIP_INDEX_URL:-$index} # none: uv's own
	# shellcheck disable=SC2086 # a list of words
	env ${index:+"UV_DEFAULT_INDEX=$index"} "$TOOLS/bin/uv" pip compile --quiet \
		--universal --python-version "$BREW_PYTHON" $extras --format pylock.toml --output-file "$1" \
		"$ROOT/pyproject.toml" >&2
}

main() {
	only_a_path "$0" "$@"
	choose_python
	formula=${1:-$BUILD/kfw.rb}
	mkdir -p "${formula%/*}"
	need_tool uv
	need_tool hatchling
	archive=$(cd "$ROOT" && "$TOOLS/bin/python" -c \
		'import sys, hatchling.build as backend; print(backend.build_sdist(sys.argv[1]))' "${formula%/*}" | tail -n 1)
	lock_file "${formula%/*}/pylock.kfw.toml"
	"$PYTHON" "$ROOT/scripts/homebrew-formula.py" "${formula%/*}/pylock.kfw.toml" "${formula%/*}/$archive" \
		"$BREW_PYTHON" "$VERSION" "${URL:-}" >"$formula"
	printf '%s\n' "$formula"
}

main "$@"
