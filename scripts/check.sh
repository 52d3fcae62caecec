#!/bin/sh
# usage: scripts/check.sh
#
# Every check that is not a test. All of them run; the names of those that failed come last, and the exit code is 1.
set -eu

CDPATH='' cd "$(dirname "$(readlink -f "$0" 2>/dev/null || echo "$0")")/.."
BIN=.venv/bin
failed=

# check NAME COMMAND...
check() {
	name=$1
	shift
	printf '%s\n' "-- $name" >&2
	"$@" || failed="$failed $name"
}

shell_scripts() {
	printf '%s\n' .ci/run
	find quick-start scripts tests/kubectl_compat/scripts -name '*.sh' | sort
}

# Only where actionlint is: no package index of ours has it as a program. What it needs of shellcheck is ours.
workflows() {
	command -v actionlint >/dev/null || {
		printf 'check: actionlint is not on PATH, workflows are only loaded, by make test\n' >&2
		return
	}
	actionlint -shellcheck "$BIN/shellcheck" -pyflakes ''
}

main() {
	check lint "$BIN/ruff" check --quiet .
	check format "$BIN/ruff" format --check --quiet .
	check types "$BIN/mypy"
	check imports "$BIN/lint-imports" --no-logo
	# shellcheck disable=SC2046 # the scripts' names have no spaces
	check shellcheck "$BIN/shellcheck" --external-sources $(shell_scripts)
	# shellcheck disable=SC2046
	check shfmt "$BIN/shfmt" --diff $(shell_scripts)
	check workflows workflows
	check schemas "$BIN/python" -m pytest -q tests/config/test_schema.py tests/daemon/test_openapi.py tests/commands/test_man_page.py
	check house "$BIN/python" -m pytest -q tests/test_names.py tests/test_circles.py tests/test_pointers.py
	[ -z "$failed" ] || {
		printf 'check: failed:%s\n' "$failed" >&2
		exit 1
	}
}

main "$@"
