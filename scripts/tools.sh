# shellcheck shell=sh
# say, warn, die and need, and how a missing tool is installed here. Sourced by the scripts, which set NAME first.
# Messages go to stderr: stdout is data. Exit codes are kfw's own: 2 bad usage, 8 a needed tool is missing.

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

# need TOOL WHY: a tool that must be there, else the line that installs it
need() { has "$1" || die 8 "cannot find $1, which $2; install it with: $(install_line "$1")"; }

package_manager() {
	for manager in apt-get brew apk dnf pacman; do
		if has "$manager"; then
			printf '%s\n' "$manager"
			return
		fi
	done
}

# install_line TOOL...: the command that installs these tools on this system
install_line() {
	manager=$(package_manager)
	packages=$(for tool in "$@"; do package_of "$manager" "$tool"; done | tr '\n' ' ')
	case $manager in
	apt-get) printf '%s\n' "$(as_root)apt-get install -y ${packages% }" ;;
	brew) printf '%s\n' "brew install ${packages% }" ;;
	apk) printf '%s\n' "$(as_root)apk add ${packages% }" ;;
	dnf) printf '%s\n' "$(as_root)dnf install -y ${packages% }" ;;
	pacman) printf '%s\n' "$(as_root)pacman -S --noconfirm ${packages% }" ;;
	*) printf '%s\n' "your system's package manager ($*)" ;;
	esac
}

# package_of MANAGER TOOL: the package that has the tool; `venv` is Python's module with ensurepip
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

as_root() { [ "$(id -u)" = 0 ] || printf 'sudo '; }
