"""What a page may ask of the control API, and what is added to it: who runs `kfw web` lends it a kubeconfig and an
environment, and nothing on the page can name others. Pure.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any
from urllib.parse import quote

import msgspec

from kfw.errors import UsageError
from kfw.http.messages import Request

#: Paths that only look, as patterns of their parts.
LOOKS = (
    ("v1", "status"),
    ("v1", "events"),
    ("v1", "connections"),
    ("v1", "logs"),
    ("v1", "clusters"),
    ("v1", "local-ports", "*"),
    ("v1", "forwards", "*", "explain"),
)
#: What acts, or asks with a body: the fields that the page may fill in.
ACTS = {
    "/v1/start": ("target", "namespace", "context", "name", "targetPort", "localPort", "wait"),
    "/v1/targets": ("context", "namespace", "word"),
    "/v1/target-ports": ("target", "context", "namespace"),
    "/v1/down": ("names", "context"),
    "/v1/remove": ("names", "context"),
    "/v1/retry": ("names", "context"),
    "/v1/restart": ("names", "context"),
    "/v1/enable": ("names",),
}
#: Of these without names or a context all that there are would be meant.
_ALL = ("/v1/down", "/v1/remove", "/v1/retry", "/v1/restart", "/v1/enable")
_WITH_ENVIRON = ("/v1/start", "/v1/targets", "/v1/target-ports", "/v1/enable")
_WITH_KUBECONFIG = ("/v1/start", "/v1/targets", "/v1/target-ports")


@dataclass(frozen=True)
class WebCaller:
    """Of the last `kfw web`. `kubeconfig` as $KUBECONFIG; `environ` None: the daemon's own."""

    kubeconfig: str | None = None
    environ: Mapping[str, str] | None = field(default=None, repr=False)


def translated(request: Request, path: str, caller: WebCaller) -> Request | None:
    """The request as the control API takes it; None: a page may not ask that. Raises UsageError."""
    asked = replace(request, path=path, target=path)
    if request.method in ("GET", "HEAD"):
        return _look(asked, caller) if _may_look(path) else None
    if request.method != "POST" or path not in ACTS:
        return None
    body = _body(request)
    kept = {key: body[key] for key in ACTS[path] if key in body}
    if path in _ALL and not (kept.get("names") or kept.get("context")):
        raise UsageError("name the forwards", "send names or a context")
    return replace(asked, body=msgspec.json.encode(kept | _of_caller(path, caller)))


def _may_look(path: str) -> bool:
    parts = path.strip("/").split("/")
    return any(
        len(parts) == len(look) and all(want in ("*", part) for want, part in zip(look, parts, strict=True))
        for look in LOOKS
    )


def _look(request: Request, caller: WebCaller) -> Request:
    kept = {key: value for key, value in request.query.items() if key in ("since", "follow", "name", "lines")}
    if request.path == "/v1/clusters" and caller.kubeconfig:
        kept["kubeconfig"] = caller.kubeconfig
    query = "&".join(f"{key}={quote(value)}" for key, value in kept.items())
    return replace(request, query=kept, target=f"{request.path}?{query}", body=b"")


def _of_caller(path: str, caller: WebCaller) -> dict[str, Any]:
    added: dict[str, Any] = {}
    if path in _WITH_ENVIRON and caller.environ is not None:
        added["environ"] = dict(caller.environ)
    if path in _WITH_KUBECONFIG:
        added["kubeconfig"] = caller.kubeconfig
    if path == "/v1/enable":
        added["source"] = {"key": "added", "cwd": "/", "kubeconfig": caller.kubeconfig}
    return added


def _body(request: Request) -> dict[str, Any]:
    try:
        return msgspec.json.decode(request.body or b"{}", type=dict[str, Any])
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise UsageError("the request's body is not a JSON object") from error
