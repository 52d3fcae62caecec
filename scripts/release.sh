#!/bin/sh
# usage: scripts/release.sh VERSION [--dry-run | --notes]
#
# Makes what is published of a version, in build/release/VERSION: wheel, source archive, SHA256SUMS and an SBOM (SPDX), and then
# the tag vVERSION. Everything is built twice and must be the same to the byte. It pushes and uploads nothing; --dry-run
# makes no tag either. --notes makes nothing, and prints what CHANGELOG.md says of the version.
#
# It refuses a version that is not X.Y.Z or has a tag, a checkout with changes, and one whose pyproject.toml, kfw/__init__.py
# or CHANGELOG.md is of another version.
set -eu

NAME=release
ROOT=$(CDPATH='' cd "$(dirname "$(readlink -f "$0" 2>/dev/null || echo "$0")")/.." && pwd)
. "$ROOT/scripts/tools.sh"

BIN=${VENV:-$ROOT/.venv}/bin

check_version() {
	printf '%s\n' "$VERSION" | grep -qxE '(0|[1-9][0-9]*)\.(0|[1-9][0-9]*)\.(0|[1-9][0-9]*)' ||
		die 2 "'$VERSION' is not a version; write X.Y.Z"
}

check_tags() {
	if git rev-parse -q --verify "refs/tags/v$VERSION" >/dev/null; then
		die 1 "there is a tag v$VERSION already; choose the next version"
	fi
	if git remote get-url origin >/dev/null 2>&1; then
		found=$(git ls-remote --tags origin "refs/tags/v$VERSION") || die 1 "cannot ask origin for its tags; is it reachable?"
		[ -z "$found" ] || die 1 "origin has a tag v$VERSION already; choose the next version"
	fi
}

check_tree() {
	changed=$(git status --porcelain)
	[ -z "$changed" ] || die 1 "the checkout has changes; commit or remove them:
$changed"
}

check_files() {
	grep -qxF "version = \"$VERSION\"" pyproject.toml || die 1 "pyproject.toml is of another version than $VERSION"
	grep -qxF "__version__ = \"$VERSION\"" kfw/__init__.py || die 1 "kfw/__init__.py is of another version than $VERSION"
	notes=$(section)
	[ -n "$notes" ] || die 1 "CHANGELOG.md has no section '## $VERSION'; write it, without '(not released yet)'"
}

# section: what CHANGELOG.md says of this version
section() {
	awk -v want="## $VERSION" '
		/^## / { inside = ($0 == want || index($0, want " (20") == 1); next }
		inside && NF { print }
	' CHANGELOG.md
}

# build FOLDER
build() {
	mkdir -p "$1"
	"$BIN/python" -m hatchling build -d "$1" >/dev/null
}

# sums FOLDER: of what is in it, as sha256sum writes them
sums() {
	(cd "$1" && "$BIN/python" -c '
import hashlib, pathlib
for file in sorted(pathlib.Path().iterdir()):
    print(f"{hashlib.sha256(file.read_bytes()).hexdigest()}  {file.name}")')
}

make_release() {
	SOURCE_DATE_EPOCH=$(git log -1 --format=%ct)
	export SOURCE_DATE_EPOCH
	out=$ROOT/build/release/$VERSION
	again=$ROOT/build/release/$VERSION.again
	rm -rf "$out" "$again"
	say "building $VERSION twice"
	build "$out"
	build "$again"
	first=$(sums "$out")
	second=$(sums "$again")
	rm -rf "$again"
	[ "$first" = "$second" ] || die 1 "two builds of the same commit differ:
$first
$second"
	"$BIN/python" scripts/sbom.py "$VERSION" >"$out/kfw-$VERSION.spdx.json"
	all=$(sums "$out")
	printf '%s\n' "$all" >"$out/SHA256SUMS"
	cat "$out/SHA256SUMS"
	say "wrote $out"
}

main() {
	VERSION=
	dry=
	notes_only=
	for word; do
		case $word in
		-h | --help)
			help_of "$0"
			return
			;;
		--dry-run) dry=1 ;;
		--notes) notes_only=1 ;;
		-*) die 2 "unknown option '$word'; --help says how" ;;
		*)
			[ -z "$VERSION" ] || die 2 "one version at a time"
			VERSION=$word
			;;
		esac
	done
	[ -n "$VERSION" ] || die 2 "which version? --help says how"
	cd "$ROOT"
	need git 'which has the commit'
	check_version
	if [ -n "$notes_only" ]; then
		check_files
		printf '%s\n' "$notes"
		return
	fi
	check_tags
	check_tree
	check_files
	make_release
	if [ -n "$dry" ]; then
		say "no tag was made: --dry-run"
		return
	fi
	git tag -a "v$VERSION" -m "kfw $VERSION"
	say "tagged v$VERSION; git push origin v$VERSION publishes it"
}

main "$@"
