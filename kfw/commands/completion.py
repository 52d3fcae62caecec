"""kfw completion: the script with which a shell asks kfw what fits when Tab is pressed; kfw/completion/ answers."""

from typing import Annotated

import typer

from kfw.commands import _output as output
from kfw.errors import UsageError

#: Readline breaks words at : and =, so what is before them is taken off each answer. 9 is completion.shells.FILES.
#: For bash 3.2 of macOS, too: there is no compopt.
_BASH = r"""# bash completion for kfw: source <(kfw completion bash)
_kfw() {
    local line word reply code
    COMPREPLY=()
    reply=$(COMP_LINE="${COMP_LINE:0:COMP_POINT}" _KFW_COMPLETE=lines "$1" 2>/dev/null)
    code=$?
    word=${COMP_LINE:0:COMP_POINT}
    word=${word##*[[:space:]]}
    if [ "$code" = 9 ]; then
        while IFS= read -r line; do
            COMPREPLY+=("$line")
        done < <(compgen -f -- "${word##*[:=]}")
        compopt -o filenames 2>/dev/null
        return 0
    fi
    [ -n "$reply" ] || return 0
    while IFS=$'\t' read -r line _; do
        case $word in
            *[:=]*) line=${line#"${word%"${word##*[:=]}"}"} ;;
        esac
        COMPREPLY+=("$line")
    done <<<"$reply"
    return 0
}
complete -F _kfw kfw
"""
_ZSH = r"""#compdef kfw
# zsh completion for kfw: source <(kfw completion zsh), or this file as _kfw in a folder of $fpath
_kfw() {
    local reply code line
    local -a found
    reply=$(COMP_LINE="${(j: :)words[1,CURRENT]}" _KFW_COMPLETE=lines ${words[1]} 2>/dev/null)
    code=$?
    if [[ $code -eq 9 ]]; then
        _files
        return
    fi
    for line in ${(f)reply}; do
        if [[ $line == *$'\t'* ]]; then
            found+=("${${line%%$'\t'*}//:/\\:}:${line#*$'\t'}")
        else
            found+=("${line//:/\\:}")
        fi
    done
    (( ${#found} )) && _describe -V kfw found
}
if [[ ${funcstack[1]} == _kfw ]]; then
    _kfw "$@"
else
    compdef _kfw kfw
fi
"""
_FISH = r"""# fish completion for kfw: kfw completion fish | source
function __kfw_complete
    set -l reply (COMP_LINE=(commandline -cp) _KFW_COMPLETE=lines kfw 2>/dev/null)
    if test $status -eq 9
        __fish_complete_path (commandline -ct)
    else
        string join \n -- $reply
    end
end
complete --command kfw --no-files --arguments '(__kfw_complete)'
"""
SCRIPTS = {"bash": _BASH, "zsh": _ZSH, "fish": _FISH}


def completion(
    shell: Annotated[str, typer.Argument(metavar="SHELL", help=f"{', '.join(SCRIPTS)}.")],
) -> int:
    """Print the script that completes kfw's words by Tab.

    Commands, options, contexts, namespaces, targets, ports, profiles and the names of forwards.

    \b
    kfw completion bash >> ~/.bashrc
    kfw completion zsh > ~/.zfunc/_kfw
    kfw completion fish > ~/.config/fish/completions/kfw.fish
    """
    if shell not in SCRIPTS:
        raise UsageError(f"there is no completion for '{shell}'", f"use one of {', '.join(SCRIPTS)}")
    output.show(SCRIPTS[shell].rstrip("\n"))
    return 0
