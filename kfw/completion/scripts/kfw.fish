# fish completion for kfw: kfw completion fish | source
function __kfw_complete
    set -l reply (COMP_LINE=(commandline -cp) _KFW_COMPLETE=lines kfw 2>/dev/null)
    if test $status -eq 9
        __fish_complete_path (commandline -ct)
    else
        string join \n -- $reply
    end
end
complete --command kfw --no-files --arguments '(__kfw_complete)'
