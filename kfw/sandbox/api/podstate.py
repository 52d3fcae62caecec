"""The word that kubectl shows for a pod's state, by the rules of the server's printer. Pure."""

from kfw.sandbox.objects import Object, is_leaving


def status_word(pod: Object) -> str:
    """`Running`, `CrashLoopBackOff`, `Completed`, `Terminating`, ...: the containers' worst news, else the phase."""
    status = pod.get("status", {})
    word = status.get("reason") or status.get("phase") or "Pending"
    for container in status.get("containerStatuses") or []:
        word = _news(container.get("state", {})) or word
    if is_leaving(pod) and word not in ("Completed", "Error"):
        return "Terminating"
    return str(word)


def _news(state: Object) -> str:
    waiting, ended = state.get("waiting", {}), state.get("terminated", {})
    if waiting.get("reason"):
        return str(waiting["reason"])
    if ended:
        return str(ended.get("reason") or f"ExitCode:{ended.get('exitCode', 0)}")
    return ""
