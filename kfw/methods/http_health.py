"""An HTTP health check in bytes: what is asked, and whether an answer is a good one. Pure."""

from kfw.model import Health

START = b"HTTP/"
#: Bytes of an answer that are enough to judge it: `HTTP/1.1 200` (RFC 9112, 4).
ENOUGH = 12
#: Characters of what does not speak HTTP that are shown.
_SHOWN = 40


def request_of(health: Health) -> bytes:
    """Its headers win over ours."""
    own = {line.partition(":")[0].strip().lower() for line in health.headers}
    ours = [("Host", "localhost"), ("User-Agent", "kfw"), ("Connection", "close")]
    lines = [f"{name}: {value}" for name, value in ours if name.lower() not in own]
    text = "\r\n".join([f"GET {health.path} HTTP/1.1", *lines, *health.headers, "", ""])
    return text.encode("ascii", "replace")


def fault_of(answer: bytes, ended: str, health: Health) -> str:
    """What is wrong with its first ENOUGH bytes, "" if nothing is. `ended`: how the connection did, in words."""
    asked = f"GET {health.path}"
    if not answer:
        return f"no answer to {asked}: {ended}"
    status = answer[9:ENOUGH].decode("ascii", "replace")
    if not (answer.startswith(START) and status.isdecimal() and len(status) == 3):
        return f"answered {asked}, but not in HTTP: {answer[:_SHOWN]!r}"
    if is_good(status, health.statuses):
        return ""
    return f"answered {asked} with {status}, good are {', '.join(health.statuses)}"


def is_good(status: str, good: tuple[str, ...]) -> bool:
    """`good` are statuses such as `204`, and classes such as `2xx`."""
    return status in good or f"{status[0]}xx" in good
