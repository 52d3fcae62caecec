# shellcheck shell=sh
# A Debian's files, for the bare machine and for a local base of the image. Sourced after tools.sh; needs root.

# shellcheck disable=SC2034 # for those who source it
CACHE=${XDG_CACHE_HOME:-${HOME:-/root}/.cache}/kfw
SUITE=${SUITE:-bookworm}

# make_debian ARCHIVE PACKAGES: what debootstrap makes, kept as ARCHIVE; PACKAGES is its list with commas
make_debian() {
	[ ! -e "$1" ] || return 0
	need debootstrap "it makes a Debian's files"
	say "making $1"
	mkdir -p "${1%/*}"
	files=$(mktemp -d "${TMPDIR:-/tmp}/debian.XXXXXX")
	debootstrap --variant=minbase --include="$2" "$SUITE" "$files" >&2
	tar -C "$files" --exclude='./var/cache/apt/archives/*.deb' -cf "$1.part" .
	rm -rf --one-file-system "$files"
	mv "$1.part" "$1"
}

# lay_out ARCHIVE FOLDER: unpacked, with this machine's way to the package registries: certificates, package sources,
# pip's settings.
lay_out() {
	tar -C "$2" -xf "$1"
	rm -f "$2/etc/apt/sources.list"
	for file in /etc/resolv.conf /etc/hosts /etc/pip.conf /etc/ssl/certs/ca-certificates.crt \
		/etc/apt/sources.list /etc/apt/sources.list.d/debian.sources; do
		[ ! -e "$file" ] || cp -L "$file" "$2$file"
	done
	rm -rf "$2/var/lib/apt/lists" && mkdir -p "$2/var/lib/apt/lists/partial"
}
