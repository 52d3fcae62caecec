"""Kubeconfigs in words that others may come to read (logs, status, crash reports): `~/.../clusters/dev`.

Whoever reads a kubeconfig makes its path known; only such paths are shortened.
"""

#: Parts of a path below the home directory that stay.
KEPT = 2
#: Paths that are remembered, the last ones.
MOST = 1000

_known: dict[str, str] = {}


def know(path: str, home: str) -> None:
    """`path` is that of a kubeconfig; one that is not below `home` says nothing of its user, and stays as it is."""
    below = path.removeprefix(home.rstrip("/") + "/")
    if below == path or home in ("", "/") or path in _known:
        return
    _known[path] = short(below)
    while len(_known) > MOST:
        del _known[next(iter(_known))]


def short(below: str) -> str:
    """Of a path below the home directory."""
    parts = [part for part in below.split("/") if part]
    between = ["..."] if len(parts) > KEPT else []
    return "/".join(["~", *between, *parts[-KEPT:]])


def with_short_paths(text: str) -> str:
    """The longest first, so that none is cut by one that it begins with."""
    if "/" not in text:
        return text
    for path in sorted(_known, key=len, reverse=True):
        text = text.replace(path, _known[path])
    return text
