"""What kubectl's lines mean. Pure. The texts are those of kubectl 1.20 to 1.34, each seen or read in its source."""

import re

from kfw.model import Problem, Reason

#: The line that names the private port; IPv6 is not asked for.
FORWARDING = re.compile(r"^Forwarding from 127\.0\.0\.1:(\d+) -> \d+$")

#: klog's header `E1121 07:39:50.484455   31327 portforward.go:424] `, and since 1.31 the error as a quoted value behind it.
_KLOG = re.compile(
    r'^[IWEF]\d{4} [\d:.]+\s+\d+ [\w.]+:\d+\] (?:"Unhandled Error" err=(?P<quoted>".*")|(?P<plain>.*))$'
)
#: What stands before the cause: ids and paths that help nobody.
_DETOUR = re.compile(
    r"^an error occurred forwarding \d+ -> \d+: (?:error forwarding port \d+ to pod \w+, uid : )?"
    r'(?:failed to execute portforward in network namespace "[^"]*": )?'
)

#: kubectl's last line before it ends: the cause stands before it.
_LOST = "error: lost connection to pod"

_UPGRADE = r"^error: error upgrading connection: "
_OCCURRED = r"an error occurred forwarding .*"

#: The first that fits says what a line means.
_MEANINGS: tuple[tuple[str, Reason], ...] = (
    (r'^error: context "[^"]*" does not exist', Reason.CONTEXT_NOT_FOUND),
    (r"^Error from server \(NotFound\): ", Reason.ENDPOINT_GONE),
    (r"^error: unable to forward port because pod is not running", Reason.ENDPOINT_GONE),
    (_UPGRADE + r".*pod does not exist", Reason.ENDPOINT_GONE),
    (r"^Error from server \(Forbidden\): ", Reason.NOT_PERMITTED),
    (_UPGRADE + r".* is forbidden: ", Reason.NOT_PERMITTED),
    (r"^error: You must be logged in to the server", Reason.LOGIN_EXPIRED),
    (_UPGRADE + r".*Unauthorized", Reason.LOGIN_EXPIRED),
    (r"getting credentials: exec: (fork/exec .*no such file|executable .* not found)", Reason.TOOL_MISSING),
    (r"getting credentials: ", Reason.LOGIN_EXPIRED),
    (r"^Unable to connect to the server: ", Reason.CLUSTER_UNREACHABLE),
    (r"^The connection to the server .* was refused", Reason.CLUSTER_UNREACHABLE),
    (_UPGRADE + r".*error dialing backend", Reason.NODE_UNREACHABLE),
    (_UPGRADE + r"(dial tcp|.*EOF$)", Reason.CLUSTER_UNREACHABLE),
    (_OCCURRED + r"connection refused", Reason.APP_REFUSES),
    (_OCCURRED + r"(failed to find sandbox|network namespace .* is closed)", Reason.ENDPOINT_GONE),
    (_OCCURRED + r"(pod not found|container not running|NotFound)", Reason.ENDPOINT_GONE),
    (r"error creating (error|forwarding) stream for port .*Timeout occurred", Reason.UNHEALTHY),
)


def trouble(line: str) -> Problem | None:
    """What one line of stderr says about the way; None if it is about one connection, or about nothing.

    A reset (`connection reset by peer`, `broken pipe`) is that connection's affair, if kubectl lives on.
    """
    text = plain(line)
    reason = next((reason for pattern, reason in _MEANINGS if re.search(pattern, text)), None)
    return Problem(reason, f"kubectl: {_DETOUR.sub('', text)}") if reason else None


def verdict(stderr: str) -> Problem | None:
    """The last of these lines that is understood."""
    found = (trouble(line) for line in reversed(stderr.splitlines()))
    return next((problem for problem in found if problem), None)


def words(stderr: str) -> str:
    """The line that says why kubectl ended: its last, or the one before the echo."""
    lines = [text for line in stderr.splitlines() if (text := _DETOUR.sub("", plain(line)))]
    causes = [text for text in lines if text != _LOST]
    return next(reversed(causes or lines), "")


def plain(line: str) -> str:
    """Without klog's header and quotes."""
    found = _KLOG.match(line)
    if found is None:
        return line.strip()
    text = found["plain"] or found["quoted"][1:-1].replace('\\"', '"')
    return text.strip()
