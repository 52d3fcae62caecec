#!/bin/sh
# usage: scripts/bare-machine.sh [--keep] [--no-tests | --pipx | --deb | --release | COMMAND]
#
# The README's two commands on a bare Debian: nothing installed but python3 and git, an empty HOME, a fresh clone of
# what is committed. bootstrap.sh runs twice; the second run must be quick and change nothing; then `make test`. Or
# COMMAND, in the clone. Needs root and debootstrap; the root file system is made once and kept in ~/.cache/kfw.
#
#   --keep      leave the folder, whose name is said, to look into it
#   --no-tests  leave out the second command
#   --pipx      instead: `pipx install` of the clone, and how long one command takes to the first byte of a service
#   --deb       instead: the Debian package, made on another such machine, installed with its dependencies on one without
#               Python, used to the first byte, and removed: nothing of it may be left
#   --release   instead: a release's dry run, twice the same to the byte; then its wheel, and the one file, bring up the quick
#               start's five ports
#   SUITE       the Debian release (default: bookworm)
#
# The machine shares this one's network, so the ports of quick-start/kfw.yaml must be free; its processes end with it.
set -eu

NAME=bare-machine
ROOT=$(CDPATH='' cd "$(dirname "$(readlink -f "$0" 2>/dev/null || echo "$0")")/.." && pwd)
. "$ROOT/scripts/tools.sh"
. "$ROOT/scripts/debian.sh"
# shellcheck disable=SC2016 # for the shell in there
ROUND='
set -eu
cd /root/kfw
./quick-start/bootstrap.sh --yes
echo "-- again"
start=$(date +%s)
./quick-start/bootstrap.sh --yes
[ $(($(date +%s) - start)) -lt 5 ] || { echo "the second run took 5 s or more"; exit 1; }
./quick-start/uninstall.sh --yes
'

# shellcheck disable=SC2016
FIRST_BYTE='
kfw sandbox start
KUBECONFIG=$(kfw sandbox kubeconfig)
export KUBECONFIG
python3 /root/kfw/scripts/first-byte.py
kfw stop
kfw sandbox stop
'

# The cluster is the sandbox, which is up before the clock starts; so is pipx.
# shellcheck disable=SC2016
PIPX_ROUND='
set -eu
PATH=/root/.local/bin:$PATH
pipx install /root/kfw
kfw version --json
'$FIRST_BYTE'
pipx uninstall kfw-cli
'

# man-db is not of the package: who reads man pages has it. What kfw wrote in a home is its user's.
# shellcheck disable=SC2016
DEB_ROUND='
set -eu
export DEBIAN_FRONTEND=noninteractive
apt-get update -qq
apt-get install -y -qq man-db >/dev/null
apt-get install -y -qq /tmp/kfw_*.deb >/dev/null
kfw version --json | tee /tmp/version
grep -q "\"installedBy\": \"deb\"" /tmp/version
man -w kfw
(cd /usr/share && ls bash-completion/completions/kfw zsh/vendor-completions/_kfw fish/vendor_completions.d/kfw.fish)
'$FIRST_BYTE'
apt-get remove -y -qq kfw >/dev/null
left=$(find / -xdev \( -path /root -o -path /tmp \) -prune -o -iname "*kfw*" -print)
[ -z "$left" ] || { echo "left by the package: $left"; exit 1; }
echo "nothing of it is left"
'

# The section of the changelog is dated as the one who releases does it. Each of the two is all of kfw that there is.
# shellcheck disable=SC2016
RELEASE_ROUND='
set -eu
PATH=/root/.local/bin:$PATH
cd /root/kfw
took() { echo "-- $1: $(($(date +%s) - start)) s"; start=$(date +%s); }
start=$(date +%s)
git remote remove origin
version=$(sed -n "s/^__version__ = \"\(.*\)\"/\1/p" kfw/__init__.py)
sed -i "s/^## $version (not released yet)/## $version/" CHANGELOG.md
git diff --quiet || git -c user.name=kfw -c user.email=kfw@localhost commit -qam "Release $version"
scripts/setup.sh dev
took "what a release needs is installed"
scripts/release.sh "$version" --dry-run >/root/first.sums
scripts/release.sh "$version" --dry-run >/root/second.sums
cmp /root/first.sums /root/second.sums
(cd "build/release/$version"; sha256sum --check SHA256SUMS)
took "a release is the same to the byte, twice"
scripts/onefile.sh /root/one/kfw
took "one file is made"
quick_start() {
	mkdir -p "/root/$1"
	cd "/root/$1"
	kfw version --json
	kfw bootstrap all --sandbox --yes
	kfw verify
	kfw bootstrap uninstall --yes
	took "the quick start of $1 is up, verified, and gone"
}
pipx install "/root/kfw/build/release/$version/"*.whl
quick_start wheel
pipx uninstall kfw-cli
PATH=/root/one:$PATH
quick_start one
'

parse() {
	keep=
	builds=
	image=$CACHE/bare-machine-$SUITE.tar
	packages=python3,git,ca-certificates
	if [ "${1:-}" = --keep ]; then
		keep=1
		shift
	fi
	case ${1:-} in
	'') command="$ROUND make test" ;;
	--no-tests) command=$ROUND ;;
	--pipx)
		command=$PIPX_ROUND
		with_pipx
		;;
	--deb)
		command=$DEB_ROUND
		builds=1
		image=$CACHE/bare-machine-deb-$SUITE.tar
		packages=ca-certificates
		;;
	--release)
		command=$RELEASE_ROUND
		with_pipx
		;;
	--help | -h)
		help_of "$0"
		exit 0
		;;
	-*) die 2 "unknown option $1; see --help" ;;
	*) command="cd /root/kfw && $1" ;;
	esac
}

with_pipx() {
	image=$CACHE/bare-machine-pipx-$SUITE.tar
	packages=python3,git,ca-certificates,pipx
}

# make_machine FOLDER: with `image`, `packages` and a clone
make_machine() {
	make_debian "$image" "$packages"
	mkdir "$1"
	lay_out "$image" "$1"
	git clone --quiet --no-hardlinks "$ROOT" "$1/root/kfw"
}

# On a machine of its own: what it takes to make a package is not there when it is installed. In a subshell, as `image` is
# another one.
make_deb() (
	with_pipx
	make_machine "$folder/builder"
	run_in "$folder/builder" /root/kfw/scripts/deb.sh
	mv "$folder"/builder/root/kfw/build/kfw_*.deb "$machine/tmp/"
	rm -rf --one-file-system "$folder/builder"
)

# run_in FOLDER COMMAND: with a mount and a process namespace of its own, so that whatever it starts ends with it
run_in() {
	settings=$(env | grep -E '^(PIP_(CERT|INDEX_URL|DEFAULT_TIMEOUT)|SSL_CERT_FILE|https?_proxy|HTTPS?_PROXY)=' || true)
	# shellcheck disable=SC2086,SC2016 # a list of NAME=value without spaces; "$0" is for the shell in there
	unshare --mount --pid --fork --kill-child sh -c '
		mount -t proc proc "$0/proc" && mount --rbind /dev "$0/dev" && exec chroot "$0" "$@"' "$1" \
		/usr/bin/env -i HOME=/root PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin LC_ALL=C.UTF-8 \
		$settings sh -c "$2" </dev/null
}

main() {
	parse "$@"
	[ "$(id -u)" = 0 ] || die 2 "needs root"
	folder=$(mktemp -d "${TMPDIR:-/tmp}/bare-machine.XXXXXX")
	machine=$folder/root
	trap 'exit 130' INT TERM
	[ -n "$keep" ] || trap 'rm -rf --one-file-system "$folder"' EXIT
	make_machine "$machine"
	[ -z "$builds" ] || make_deb
	[ -z "$keep" ] || say "the machine's files are in $machine"
	run_in "$machine" "$command"
}

main "$@"
