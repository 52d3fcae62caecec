#!/bin/sh
# usage: scripts/site.sh
#
# Builds the documentation as a site in build/site, and prints the path of its first page. A link that leads nowhere is an
# error. Needs the extra `docs` (or `dev`) in .venv, and no network.
#
#   BUILD  the folder for it (default: build)
set -eu

NAME=site
ROOT=$(CDPATH='' cd "$(dirname "$(readlink -f "$0" 2>/dev/null || echo "$0")")/.." && pwd)
. "$ROOT/scripts/tools.sh"
VENV=${VENV:-$ROOT/.venv}
BUILD=${BUILD:-$ROOT/build}
PAGES=$BUILD/site-pages

# The README and the changelog stand outside of docs/, and are pages of the site.
copy_pages() {
	first=index
	rm -rf "$PAGES"
	mkdir -p "$PAGES"
	cp "$ROOT"/docs/* "$ROOT/LICENSE" "$PAGES"
	sed 's,](docs/,](,g' "$ROOT/README.md" >"$PAGES/$first.md"
	sed 's,](docs/,](,g' "$ROOT/CHANGELOG.md" >"$PAGES/CHANGELOG.md"
	for page in "$ROOT"/docs/*.md; do
		sed -e "s,](\.\./README\.md,](${first}.md,g" -e 's,](\.\./CHANGELOG\.md,](CHANGELOG.md,g' "$page" >"$PAGES/${page##*/}"
	done
}

main() {
	case ${1:-} in
	--help | -h)
		help_of "$0"
		exit 0
		;;
	'') ;;
	*) die 2 "unknown argument $1; see --help" ;;
	esac
	"$VENV/bin/python" -c 'import material, mkdocs' 2>/dev/null ||
		die 8 "mkdocs-material is not in $VENV; install it with: scripts/setup.sh docs"
	copy_pages
	sed "s,build/site-pages,$PAGES,; s,build/site$,$BUILD/site," "$ROOT/mkdocs.yml" >"$BUILD/mkdocs.yml"
	NO_MKDOCS_2_WARNING=1 "$VENV/bin/python" -m mkdocs --quiet build --strict --config-file "$BUILD/mkdocs.yml" >&2
	printf '%s\n' "$BUILD/site/index.html"
}

main "$@"
