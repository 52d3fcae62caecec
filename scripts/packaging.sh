# shellcheck shell=sh
# What the scripts that make packages share. Sourced after tools.sh, with ROOT set. All of it is in build/, and wheels that
# are there are taken as they are: a script that is run again after a change makes them again with `rm -r build/wheels`.

BUILD=${BUILD:-$ROOT/build}
WHEELS=${WHEELS:-$BUILD/wheels}
TOOLS=${TOOLS:-$BUILD/tools}

# only_a_path SCRIPT [ARGUMENT...]: what a script does that takes one path at most: --help, and no other option
only_a_path() {
	case ${2:-} in
	--help | -h)
		help_of "$1"
		exit 0
		;;
	-*) die 2 "unknown option $2; see --help" ;;
	esac
}

# in_pyproject EXPRESSION: of `project`, the table of that name
in_pyproject() {
	"$PYTHON" -c "import sys, tomllib; project = tomllib.load(open(sys.argv[1], 'rb'))['project']; print($1)" \
		"$ROOT/pyproject.toml"
}

# choose_python: sets PYTHON, VERSION and EXTRAS, those that a user may want
choose_python() {
	PYTHON=$(find_python) || die 8 "cannot find python3 of version 3.11 or later; install it with: $(install_line python3 venv)"
	# shellcheck disable=SC2034 # for those who source it
	VERSION=$(in_pyproject 'project["version"]')
	EXTRAS=$(in_pyproject '",".join(sorted({*project["optional-dependencies"]} - {"dev", "docs"}))')
}

# need_tool NAME: a program that pip can install, in an environment of its own
need_tool() {
	[ ! -x "$TOOLS/bin/$1" ] || return 0
	say "installing $1 in $TOOLS"
	[ -x "$TOOLS/bin/python" ] || "$PYTHON" -m venv "$TOOLS"
	"$TOOLS/bin/python" -m pip install --quiet --disable-pip-version-check "$1"
}

# make_wheels: kfw's, and those of all that it needs with its extras, for PYTHON on this machine
make_wheels() {
	[ ! -e "$WHEELS/.made" ] || return 0
	need_pip
	say "making wheels for $("$PYTHON" --version) in $WHEELS"
	"$PIP" -m pip wheel --quiet --disable-pip-version-check --wheel-dir "$WHEELS" "${ROOT}[$EXTRAS]"
	touch "$WHEELS/.made"
}

# need_pip: sets PIP, an interpreter with pip, which a Debian's own does not have
need_pip() {
	PIP=$PYTHON
	"$PIP" -m pip --version >/dev/null 2>&1 && return
	PIP=$TOOLS/bin/python
	[ -x "$PIP" ] || "$PYTHON" -m venv "$TOOLS"
}
