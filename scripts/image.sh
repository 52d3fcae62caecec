#!/bin/sh
# usage: scripts/image.sh [--local-base | --platform LIST [--push]]
#
# Builds the quick start's image and prints its name. Any docker builds it for this machine; for other platforms docker's
# buildx is needed. Several at once docker keeps no image for, so they become an archive, whose path is printed instead.
#
#   --local-base     on a base made here by scripts/image-base.sh: no container registry is asked
#   --platform LIST  for these platforms, for example linux/amd64,linux/arm64
#   --push           to the registry in IMAGE, rather than into docker or an archive
#   BASE             the base image (default: the Dockerfile's)
#   IMAGE            the name (default: kfw-quick-start:VERSION)
#   TOOLS            which of kubectl, kind and helm it shall have; what the base has it has anyway
set -eu

NAME=image
ROOT=$(CDPATH='' cd "$(dirname "$(readlink -f "$0" 2>/dev/null || echo "$0")")/.." && pwd)
. "$ROOT/scripts/tools.sh"

parse() {
	local_base=
	platform=
	push=
	while [ $# -gt 0 ]; do
		case $1 in
		--local-base) local_base=1 ;;
		--platform)
			[ $# -gt 1 ] || die 2 "--platform needs a list; see --help"
			platform=$2
			shift
			;;
		--push) push=1 ;;
		--help | -h)
			help_of "$0"
			exit 0
			;;
		*) die 2 "unknown option $1; see --help" ;;
		esac
		shift
	done
	[ -z "$push" ] || [ -n "$platform" ] || die 2 "--push is for --platform; see --help"
	[ -z "$local_base" ] || [ -z "$platform" ] || die 2 "a local base is of this machine's platform; see --help"
}

version() { sed -n 's/^version = "\(.*\)"/\1/p' "$ROOT/pyproject.toml"; }

# build_for_platforms OPTION...: of `docker build`
build_for_platforms() {
	docker buildx version >/dev/null 2>&1 ||
		die 8 "docker has no buildx, which builds for other platforms; https://docs.docker.com/go/buildx/ says how to" \
			"install it, and without --platform the image is for this machine"
	made=$image
	case $push,$platform in
	1,*) output=type=registry ;;
	,*,*)
		made=$ROOT/build/$(printf '%s' "${image##*/}" | tr ':' '-').tar
		mkdir -p "$ROOT/build"
		output=type=oci,dest=$made
		;;
	*) output=type=docker ;;
	esac
	docker buildx build --platform "$platform" --output "$output" "$@" "$ROOT" >&2 ||
		die 1 "cannot build $image for $platform; for foreign platforms docker needs QEMU (docker run --privileged" \
			"tonistiigi/binfmt --install all), for several a builder of its own (docker buildx create --use)"
	printf '%s\n' "$made"
}

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
		build_for_platforms "$@"
	else
		docker build "$@" "$ROOT" >&2 ||
			die 1 "cannot build $image; where no registry can be reached: scripts/image.sh --local-base"
		printf '%s\n' "$image"
	fi
}

main "$@"
