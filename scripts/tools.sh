# shellcheck shell=sh
# What the scripts share: messages, the interpreter, and how a missing tool is installed on this system.
# Sourced; the script sets NAME first. Messages go to stderr: stdout is data. Exit codes are kfw's own: 2 bad usage,
# 8 a needed tool is missing.

say() { printf '%s: %s\n' "$NAME" "$*" >&2; }

warn() { say "warning: $*"; }

# die CODE MESSAGE...
die() {
	code=$1
	shift
	say "$*"
	exit "$code"
}

has() { command -v "$1" >/dev/null 2>&1; }

# need TOOL WHY...: a tool that must be there, else the line that installs it
need() {
	tool=$1
	shift
	has "$tool" || die 8 "cannot find $tool, $*; install it with: $(install_line "$tool")"
}

# The comment at the top of a script is its help.
help_of() { sed -n -e '1d' -e '/^#/!q' -e 's/^# \{0,1\}//p' "$1"; }

# find_python: the name of an interpreter of version 3.11 or later on stdout, or nothing and 1. PYTHON names the only one.
find_python() {
	for candidate in ${PYTHON:-python3 python3.14 python3.13 python3.12 python3.11}; do
		if "$candidate" -c 'import sys; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1; then
			printf '%s\n' "$candidate"
			return
		fi
	done
	return 1
}

# can_make_venvs PYTHON: Debian splits ensurepip off into a package of its own
can_make_venvs() { "$1" -c 'import ensurepip, venv' >/dev/null 2>&1; }

package_manager() {
	for manager in apt-get brew apk dnf pacman; do
		if has "$manager"; then
			printf '%s\n' "$manager"
			return
		fi
	done
}

# install_line TOOL...: the command that installs these tools here; `venv` is Python's module with ensurepip
install_line() {
	manager=$(package_manager)
	packages=$(for tool in "$@"; do package_of "$manager" "$tool"; done | sort -u | tr '\n' ' ')
	packages=${packages% }
	root=$([ "$(id -u)" = 0 ] || printf 'sudo ')
	case $manager in
	apt-get) printf '%s\n' "$(apt_update)${root}apt-get install -y $packages" ;;
	brew) printf '%s\n' "brew install $packages" ;;
	apk) printf '%s\n' "${root}apk add $packages" ;;
	dnf) printf '%s\n' "${root}dnf install -y $packages" ;;
	pacman) printf '%s\n' "${root}pacman -S --noconfirm $packages" ;;
	*) printf '%s\n' "this system's package manager (wanted: $*)" ;;
	esac
}

# A machine fresh from its image has no list of packages.
apt_update() {
	for list in /var/lib/apt/lists/*_Packages*; do
		[ -e "$list" ] && return
	done
	printf '%s' "${root}apt-get update && "
}

# package_of MANAGER TOOL
package_of() {
	case $1:$2 in
	apt-get:venv) printf 'python3-venv\n' ;;
	brew:venv | brew:python3) printf 'python@3.13\n' ;;
	apk:venv | dnf:venv) printf 'python3\n' ;;
	pacman:venv | pacman:python3) printf 'python\n' ;;
	brew:kubectl) printf 'kubernetes-cli\n' ;;
	*) printf '%s\n' "$2" ;;
	esac
}

# can_install: whether install_line would run here without a question: a package manager, and root or a silent sudo
can_install() {
	case $(package_manager) in
	'') return 1 ;;
	brew) return 0 ;;
	*) [ "$(id -u)" = 0 ] || sudo -n true >/dev/null 2>&1 ;;
	esac
}
