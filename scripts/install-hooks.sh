#!/bin/sh
# usage: scripts/install-hooks.sh [--remove]
#
# Git hooks of this checkout: before a commit what it changes is formatted, staged again, and checked by ruff, shellcheck and
# shfmt; before a push `make check` runs. Hooks of others stay, and are named. `git commit --no-verify` goes past them.
#
# Who uses pre-commit has the same from .pre-commit-config.yaml: pre-commit install -t pre-commit -t pre-push
set -eu

NAME=install-hooks
ROOT=$(CDPATH='' cd "$(dirname "$(readlink -f "$0" 2>/dev/null || echo "$0")")/.." && pwd)
. "$ROOT/scripts/tools.sh"

MARK='# Written by scripts/install-hooks.sh; --remove takes it away.'

pre_commit() {
	cat <<-EOS
		#!/bin/sh
		$MARK
		set -eu
		cd "\$(git rev-parse --show-toplevel)"
		# Names with a newline are not ours. What is staged in part only is left as it is: formatting would stage the rest.
		staged=\$(git diff --cached --name-only --diff-filter=ACM)
		[ -n "\$staged" ] || exit 0
		part=\$(git diff --name-only)
		python=\$(printf '%s\n' "\$staged" | grep '\.pyi\{0,1\}\$' || true)
		shell=\$(printf '%s\n' "\$staged" | grep -E '^(quick-start|scripts|tests/kubectl_compat/scripts)/.*\.sh\$' || true)
		whole=\$(printf '%s\n' "\$python" | grep -vxF "\${part:-/}" || true)
		IFS='
		'
		# shellcheck disable=SC2086
		if [ -n "\$whole" ]; then .venv/bin/ruff format --quiet --force-exclude \$whole && git add -- \$whole; fi
		# shellcheck disable=SC2086
		if [ -n "\$python" ]; then .venv/bin/ruff check --quiet --force-exclude \$python; fi
		# shellcheck disable=SC2086
		if [ -n "\$shell" ]; then .venv/bin/shellcheck --external-sources \$shell && .venv/bin/shfmt --diff \$shell; fi
	EOS
}

pre_push() {
	cat <<-EOS
		#!/bin/sh
		$MARK
		exec make -C "\$(git rev-parse --show-toplevel)" check
	EOS
}

# write HOOK: its text from stdin, unless another's is there
write() {
	file=$HOOKS/$1
	if [ -e "$file" ] && ! grep -qxF "$MARK" "$file"; then
		warn "$file is not ours and stays; remove it, or call this from it"
		cat >/dev/null
		return
	fi
	cat >"$file"
	chmod +x "$file"
	say "wrote $file"
}

remove() {
	for hook in pre-commit pre-push; do
		file=$HOOKS/$hook
		if [ -e "$file" ] && grep -qxF "$MARK" "$file"; then
			rm "$file"
			say "removed $file"
		fi
	done
}

main() {
	case ${1:-} in
	-h | --help) help_of "$0" ;;
	--remove | '')
		need git 'which has the hooks'
		HOOKS=$(cd "$ROOT" && git rev-parse --path-format=absolute --git-path hooks)
		mkdir -p "$HOOKS"
		if [ -n "${1:-}" ]; then
			remove
		else
			pre_commit | write pre-commit
			pre_push | write pre-push
		fi
		;;
	*) die 2 "unknown option '$1'; --help says how" ;;
	esac
}

main "$@"
