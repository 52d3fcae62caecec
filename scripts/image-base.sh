#!/bin/sh
# usage: scripts/image-base.sh
#
# Makes a local base for the quick start's image where none can be pulled, and prints its name: a Debian of debootstrap
# with this machine's way to the package registries, its kubectl and docker, and its kind. Needs root. Made once: the
# archive is kept in ~/.cache/kfw, the image in docker.
#
#   SUITE  the Debian release (default: bookworm)
#   KIND   the program that becomes the image's kind (default: the one on PATH)
set -eu

NAME=image-base
ROOT=$(CDPATH='' cd "$(dirname "$(readlink -f "$0" 2>/dev/null || echo "$0")")/.." && pwd)
. "$ROOT/scripts/tools.sh"
. "$ROOT/scripts/debian.sh"
PACKAGES=bash,ca-certificates,dumb-init,python3,python3-venv,socat
ARCHIVE=$CACHE/image-base-$SUITE.tar
IMAGE=kfw-base:$SUITE

# copy_tools FOLDER: the tools are programs without libraries, so that they run in any Debian.
copy_tools() {
	mkdir -p "$1/usr/local/bin"
	for tool in kubectl docker kind; do
		found=$(program "$tool")
		[ "$tool" != kind ] || found=${KIND:-$found}
		[ -z "$found" ] || cp -L "$found" "$1/usr/local/bin/$tool"
	done
}

# program NAME: the first of this name on PATH that is not a script
program() {
	IFS=:
	for folder in $PATH; do
		if [ -x "$folder/$1" ] && [ "$(head -c 2 "$folder/$1")" != '#!' ]; then
			printf '%s\n' "$folder/$1"
			break
		fi
	done
	unset IFS
}

main() {
	case ${1:-} in
	'') ;;
	--help | -h)
		help_of "$0"
		exit 0
		;;
	*) die 2 "unknown option $1; see --help" ;;
	esac
	if ! docker image inspect "$IMAGE" >/dev/null 2>&1; then
		[ "$(id -u)" = 0 ] || die 2 "needs root"
		make_debian "$ARCHIVE" "$PACKAGES"
		folder=$(mktemp -d "${TMPDIR:-/tmp}/image-base.XXXXXX")
		trap 'rm -rf --one-file-system "$folder"' EXIT
		lay_out "$ARCHIVE" "$folder"
		copy_tools "$folder"
		say "importing $IMAGE"
		tar -C "$folder" -c . | docker import - "$IMAGE" >&2
	fi
	printf '%s\n' "$IMAGE"
}

main "$@"
