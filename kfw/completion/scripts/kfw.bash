# bash completion for kfw: source <(kfw completion bash)
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
