# shellcheck shell=sh
# What the scripts of the quick start share: kfw in .venv, made when it is not there. Sourced; the script sets NAME and
# ROOT first.

VENV=${VENV:-$ROOT/.venv}
KFW=$VENV/bin/kfw
export KFW_QUICK_START="$ROOT/quick-start"
. "$ROOT/scripts/tools.sh"

# bootstrap WHAT OPTION...: `kfw bootstrap`, in which the logic is
bootstrap() { exec "$KFW" bootstrap "$@"; }

# usage_of KNOWN ARGUMENT...: ends with help, or with 2 if an argument is none of KNOWN, a list of options in which
# `--name=` wants a value. Sets `yes` and `dry_run` if they are among them. It reads only: the arguments go to kfw as they are.
usage_of() {
	# shellcheck disable=SC2086 # its words, whatever is between them
	known=" $(printf '%s ' $1)"
	shift
	while [ $# -gt 0 ]; do
		case $1 in --help | -h)
			help_of "$0"
			exit 0
			;;
		esac
		case $known in
		*" $1 "*) ;;
		*" ${1%%=*}= "*) takes_value "$@" || shift ;;
		*) die 2 "unknown option $1; see --help" ;;
		esac
		case $1 in --yes | -y) yes=1 ;; --dry-run) dry_run=1 ;; esac
		shift
	done
}

# takes_value ARGUMENT...: whether the first holds its value, `--name=value`; else the second must be there
takes_value() {
	case $1 in *=*) return 0 ;; esac
	[ $# -gt 1 ] || die 2 "$1 needs a value; see --help"
	return 1
}

# set_up: kfw in .venv, with the terminal app. A second time it is there, unless pyproject.toml has changed. A dry run makes nothing.
set_up() {
	is_up_to_date && return
	if [ -n "${dry_run:-}" ]; then
		printf '%s\n' "$ROOT/scripts/setup.sh tui"
		is_set_up && return
		say "kfw can show the next steps once it is installed"
		exit 0
	fi
	install_missing
	"$ROOT/scripts/setup.sh" tui
}

is_up_to_date() {
	for stamp in "$VENV/.installed" "$VENV/.installed-tui" "$VENV/.installed-dev"; do
		[ -e "$stamp" ] && [ -z "$(find "$ROOT/pyproject.toml" -newer "$stamp" 2>/dev/null)" ] && return
	done
	return 1
}

is_set_up() { [ -x "$KFW" ]; }

# Only .venv cannot do without its tools; make is for `make test`, socat for `method: socat`.
install_missing() {
	missing=$(missing_tools)
	[ -n "$missing" ] || return 0
	# shellcheck disable=SC2086 # a list of words
	line=$(install_line $missing)
	if can_install && agreed "install ${missing% } with: $line"; then
		install "$line"
		return
	fi
	case " $missing" in
	*' python3 '* | *' venv '*) die 8 "cannot make .venv without ${missing% }; install with: $line" ;;
	*) warn "not there: ${missing% }; install with: $line" ;;
	esac
}

missing_tools() {
	python=$(find_python) || printf 'python3 '
	can_make_venvs "${python:-python3}" || printf 'venv '
	for tool in make socat; do has $tool || printf '%s ' $tool; done
}

# Package managers say much; what they said is shown when they failed.
install() {
	say "running: $1"
	said=$(DEBIAN_FRONTEND=noninteractive sh -c "$1" 2>&1) && return
	printf '%s\n' "$said" >&2
	die 8 "cannot install ${missing% } with: $1"
}

# agreed QUESTION: --yes, or a person at a terminal who says so
agreed() {
	[ -z "${yes:-}" ] || return 0
	[ -t 0 ] || return 1
	printf '%s: %s? [Y/n] ' "$NAME" "$1" >&2
	read -r answer
	case $answer in '' | [Yy]*) ;; *) return 1 ;; esac
}
