#!/bin/sh
# usage: scripts/deb.sh [FOLDER]
#
# Makes a Debian package of kfw with all its extras in FOLDER (default: build), and prints its path. In it is an environment
# of its own, /usr/lib/kfw, that shares only the interpreter with the system; a man page, and completions where bash, zsh
# and fish look by themselves. It is for this machine's architecture, and for the Debians whose python3 has the minor
# version of PYTHON. Needs dpkg-deb, and no root.
#
#   PYTHON  an interpreter of that version (default: /usr/bin/python3)
set -eu

NAME=deb
ROOT=$(CDPATH='' cd "$(dirname "$(readlink -f "$0" 2>/dev/null || echo "$0")")/.." && pwd)
. "$ROOT/scripts/tools.sh"
. "$ROOT/scripts/packaging.sh"
HOME_OF_KFW=/usr/lib/kfw

# install_wheels: below $files; pip's traces become dpkg's, so that kfw knows how it was installed.
install_wheels() {
	site=$files$HOME_OF_KFW/lib/python$minor/site-packages
	need_pip
	"$PIP" -m pip install --quiet --disable-pip-version-check --root-user-action ignore --no-index --no-compile \
		--find-links "$WHEELS" --target "$site" "kfw-cli[$EXTRAS]"
	for file in "$site"/*.dist-info/INSTALLER; do echo dpkg >"$file"; done
	mv "$site/share" "$files/usr/share"
	mkdir "$files/usr/share/zsh/vendor-completions"
	mv "$files/usr/share/zsh/site-functions/_kfw" "$files/usr/share/zsh/vendor-completions/"
	rmdir "$files/usr/share/zsh/site-functions"
	gzip -9n "$files/usr/share/man/man1/kfw.1"
	rm -rf "${site:?}/bin"
	# Only root could write compiled files later, and each start would cost half a second.
	"$PIP" -m compileall -q --invalidation-mode unchecked-hash -s "$files" -p / "$site"
}

# make_environment: what `python3 -m venv --without-pip` makes, for a place where it is not yet.
make_environment() {
	mkdir -p "$files$HOME_OF_KFW/bin" "$files/usr/bin"
	printf '%s\n' 'home = /usr/bin' 'include-system-site-packages = false' "version = $minor" \
		>"$files$HOME_OF_KFW/pyvenv.cfg"
	ln -s "/usr/bin/python$minor" "$files$HOME_OF_KFW/bin/python3"
	printf '%s\n' "#!$HOME_OF_KFW/bin/python3 -I" 'import sys' '' 'from kfw.__main__ import main' '' 'sys.exit(main())' \
		>"$files$HOME_OF_KFW/bin/kfw"
	chmod 755 "$files$HOME_OF_KFW/bin/kfw"
	for name in kfw kubectl-kfw; do ln -s ../lib/kfw/bin/kfw "$files/usr/bin/$name"; done
}

write_documents() {
	mkdir -p "$files/usr/share/doc/kfw"
	cp "$ROOT/LICENSE" "$files/usr/share/doc/kfw/copyright"
	gzip -9nc "$ROOT/CHANGELOG.md" >"$files/usr/share/doc/kfw/changelog.gz"
}

write_control() {
	mkdir "$files/DEBIAN"
	size=$(du -sk "$files" | cut -f 1)
	cat >"$files/DEBIAN/control" <<-END
		Package: kfw
		Version: $VERSION
		Architecture: $architecture
		Maintainer: the makers of kfw <kfw@localhost>
		Section: net
		Priority: optional
		Installed-Size: $size
		Depends: python3 (>= $minor~), python$minor, libc6, libstdc++6
		Suggests: bash-completion, socat
		Description: ports of Kubernetes clusters on localhost
		 $(in_pyproject 'project["description"]')
	END
	(cd "$files" && find usr -type f -exec md5sum {} + >DEBIAN/md5sums)
}

main() {
	only_a_path "$0" "$@"
	need dpkg-deb "it makes the package"
	PYTHON=${PYTHON:-/usr/bin/python3}
	choose_python
	minor=$("$PYTHON" -c 'import sys; print("%d.%d" % sys.version_info[:2])')
	architecture=$(dpkg --print-architecture)
	folder=${1:-$BUILD}
	mkdir -p "$folder"
	files=$(mktemp -d "$folder/deb.XXXXXX")
	trap 'rm -rf "$files"' EXIT
	trap 'exit 130' INT TERM
	chmod 755 "$files"
	make_wheels
	make_environment
	install_wheels
	write_documents
	write_control
	dpkg-deb --root-owner-group -z3 --build "$files" "$folder/kfw_${VERSION}_$architecture.deb" >&2
	printf '%s\n' "$folder/kfw_${VERSION}_$architecture.deb"
}

main "$@"
