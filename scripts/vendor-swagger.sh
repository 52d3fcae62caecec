#!/bin/sh
# usage: scripts/vendor-swagger.sh
#
# Fetches Swagger UI by npm and puts the files that kfw serves beside its page, with their licence. What comes must have the
# hash below: for another version write both here, see the CHANGELOG of swagger-api/swagger-ui, and run the tests of the page.
# Then the files are, by sha256:
#
#   e6a898692f2d768e807c3ba4626068a69a2c5dd960dd6c76f3e4d3a3de180af2  swagger-ui-bundle.js
#   a6a4cf68f069eb89984d5d43644e6a812e749df08d2b1320c6e06e6973847d10  swagger-ui.css
set -eu

NAME=vendor-swagger
ROOT=$(CDPATH='' cd "$(dirname "$(readlink -f "$0" 2>/dev/null || echo "$0")")/.." && pwd)
. "$ROOT/scripts/tools.sh"

PACKAGE=swagger-ui-dist
VERSION=5.35.0
# sha512 of the package, in hexadecimal.
HASH=534eaba4cb56f55dd73c638179a993512af4674f63317e0826e00da44fc465b021c341bc0a0c2bcd4e18997927fe1d3008336c5dd19aad334d1c2dec53cc9551
FILES="swagger-ui-bundle.js swagger-ui.css LICENSE NOTICE"
TO=$ROOT/kfw/extras/swagger_ui/static/swagger-ui

main() {
	command -v npm >/dev/null || die 8 "npm is needed"
	work=$(mktemp -d)
	trap 'rm -rf "$work"' EXIT
	(cd "$work" && npm pack --silent "$PACKAGE@$VERSION" >/dev/null) || die 1 "npm cannot fetch $PACKAGE $VERSION"
	package=$work/$PACKAGE-$VERSION.tgz
	got=$(sha512sum "$package" | cut -d' ' -f1)
	[ "$got" = "$HASH" ] || die 1 "$PACKAGE $VERSION is not what it was: its sha512 is $got"
	tar -xzf "$package" -C "$work"
	mkdir -p "$TO"
	for file in $FILES; do
		# the map stays away, so the line that points to it goes, too
		sed -e '/^\/[/*]# sourceMappingURL=/d' "$work/package/$file" >"$TO/$file"
	done
	printf '%s\n' "$VERSION" >"$TO/VERSION"
	say "$PACKAGE $VERSION is in ${TO#"$ROOT"/}"
}

main "$@"
