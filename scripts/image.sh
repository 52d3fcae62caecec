#!/bin/sh
# usage: scripts/image.sh [--local-base | --platform LIST]
#
# Builds the quick start's image and prints its name.
#
#   --local-base     on a base made here by scripts/image-base.sh: no container registry is asked
#   --platform LIST  for these platforms, for example linux/amd64,linux/arm64; needs docker's buildx
#   BASE             the base image (default: the Dockerfile's)
#   IMAGE            the name (default: kfw-quick-start:VERSION)
#   TOOLS            which of kubectl, kind and helm it shall have; what the base has it has anyway
set -eu

NAME=image
ROOT=$(cd "$(dirname "$0")/.." && pwd)
. "$ROOT/scripts/tools.sh"

parse() {
	local_base=
	platform=
	while [ $# -gt 0 ]; do
		case $1 in
		--local-base) local_base=1 ;;
		--platform)
			[ $# -gt 1 ] || die 2 "--platform needs a list; see --help"
			platform=$2
			shift
			;;
		--help | -h)
			help_of "$0"
			exit 0
			;;
		*) die 2 "unknown option $1; see --help" ;;
		esac
		shift
	done
}

version() { sed -n 's/^version = "\(.*\)"/\1/p' "$ROOT/pyproject.toml"; }

main() {
	parse "$@"
	need docker "it builds images"
	image=${IMAGE:-kfw-quick-start:$(version)}
	if [ -n "$local_base" ]; then
		BASE=$("$ROOT/scripts/image-base.sh")
		TOOLS=${TOOLS-kubectl kind} # helm is in no registry of packages
	fi
	set -- --file "$ROOT/quick-start/Dockerfile" --tag "$image"
	[ -z "${BASE:-}" ] || set -- "$@" --build-arg "BASE=$BASE"
	[ -z "${TOOLS+set}" ] || set -- "$@" --build-arg "TOOLS=$TOOLS"
	if [ -n "$platform" ]; then
		docker buildx build --platform "$platform" "$@" "$ROOT" >&2
	else
		docker build "$@" "$ROOT" >&2 ||
			die 1 "cannot build $image; where no registry can be reached: scripts/image.sh --local-base"
	fi
	printf '%s\n' "$image"
}

main "$@"
