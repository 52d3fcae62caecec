"""Defaults at a URL, which a team shares: fetched by `kfw up`, kept in the cache folder, and read from there as the layer
above the embedded defaults.

Whoever can write to that URL must not run anything here, nor open a port to the network: only the keys of ALLOWED may stand
in it. A copy that cannot be used never takes the place of one that can.
"""

import hashlib
import re
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from urllib.parse import unquote, urlsplit, urlunsplit

import msgspec

from kfw import paths
from kfw.config.merge import Branch, leaves
from kfw.config.read import LARGEST, read
from kfw.config.scalars import LOOPBACK
from kfw.config.tree import ConfigProblem, Place
from kfw.errors import KfwError, UsageError, words_of
from kfw.system.fetch import FetchBounds, fetch
from kfw.system.files import make_private_dir, read_bounded, write_atomic

LAYER = "remote"
#: Seconds that a server has.
TIMEOUT = 5.0

#: What a forward, a profile and `defaults` may say in it; `health` and `retry` have keys of their own.
_ANYWHERE = frozenset(
    {
        *("context", "namespace", "method", "readiness", "hold", "holdRefused", "onPortInUse", "address"),
        *("enabled", "retry", "health", "ui"),
    }
)
ALLOWED = frozenset(
    {
        *_ANYWHERE,
        *("target", "targetPort", "localPort", "type", "apiPath", "swaggerPath", "uiPort"),
        *("namespaces", "labels", "excludeServices"),
    }
)
_HEALTH = frozenset(
    {"type", "interval", "timeout", "failures", "path", "statuses", "tls", "headers", "service"}
)
_TOP = frozenset({"monitoringInterval", "uiOptions", "updates"})


@dataclass(frozen=True)
class RemoteUrl:
    """`address` is asked for; `name` is what messages call it: without a query, which may hold a key. `sha256`: what the
    content must have, "" where any will do."""

    address: str
    name: str
    sha256: str = ""

    @property
    def file(self) -> Path:
        suffix = ".toml" if self.name.endswith(".toml") else ".yaml"
        return (
            paths.cache_dir() / "remote" / f"{hashlib.sha256(self.address.encode()).hexdigest()[:32]}{suffix}"
        )


class _About(msgspec.Struct):
    """Of a copy, and of the last time it was asked for. `sha256`: "" while there is no copy. `etag`: to ask with. `newest`:
    when it was the newest, in seconds since 1970. `problem`: why it is not known to be so any more."""

    sha256: str
    etag: str = ""
    newest: float = 0.0
    problem: str = ""


@dataclass(frozen=True)
class RemoteCopy:
    """`newest`: when it was, in seconds since 1970; 0: not known."""

    path: Path
    url: RemoteUrl
    sha256: str
    etag: str = ""
    newest: float = 0.0


@dataclass(frozen=True)
class RemoteState:
    """What the last command that asked has found. `is_here`: there is a copy. `problem`: why it is not the newest; ""."""

    is_here: bool
    newest: float
    problem: str


def url_of(text: str) -> RemoteUrl:
    """Raises UsageError for what is not https:// or file://."""
    try:
        parts = urlsplit(text)
        has_user = parts.username is not None or parts.password is not None
    except ValueError as error:
        raise UsageError(f"the config URL is not valid: {error}") from error
    if parts.scheme not in ("https", "file") or (parts.scheme == "https" and not parts.hostname):
        raise UsageError(
            f"the config URL is {text.partition('?')[0]}", "write one that begins with https:// or file:///"
        )
    if parts.scheme == "file" and (parts.netloc not in ("", "localhost") or not parts.path.startswith("/")):
        raise UsageError(f"the config URL is {text}", "write file:/// and an absolute path")
    if has_user:
        raise UsageError("the config URL holds a name or a password", "kfw sends none; leave them out")
    pin = parts.fragment.removeprefix("sha256=").lower() if parts.fragment else ""
    if parts.fragment and not re.fullmatch(r"[0-9a-f]{64}", pin):
        raise UsageError(
            f"the config URL ends with #{parts.fragment[:20]}", "write #sha256= and 64 digits, or nothing"
        )
    address, name = urlunsplit((*parts[:4], "")), urlunsplit((*parts[:3], "", ""))
    return RemoteUrl(address, name, pin)


def cached(url: RemoteUrl) -> RemoteCopy | None:
    """What is here of it, if it is what the URL wants. Asks nobody."""
    about = _read_about(url)
    try:
        data = read_bounded(url.file, LARGEST)
    except OSError:
        return None
    if about is None:
        return None
    sha256 = hashlib.sha256(data).hexdigest()
    # Written one after the other: of a copy whose writer was killed in between nothing but its etag and age are missing.
    etag, newest = (about.etag, about.newest) if about.sha256 == sha256 else ("", 0.0)
    return RemoteCopy(url.file, url, sha256, etag, newest) if url.sha256 in ("", sha256) else None


def state_of(url: RemoteUrl) -> RemoteState:
    """Of the copy here. Asks nobody, and does not read the copy."""
    about = _read_about(url)
    is_here = about is not None and url.file.exists()
    return RemoteState(is_here, about.newest if about else 0.0, about.problem if about else "")


def refresh(url: RemoteUrl, say: Callable[[str], None]) -> RemoteCopy | None:
    """The newest copy that can be used: fetched now, or the one before, or None. `say` is told why it is not the newest.

    Raises KfwError where the URL names a hash and nothing with it can be had.
    """
    before = cached(url)
    if before and url.sha256:
        return before  # it can never be another
    try:
        data, etag = _content(url, before)
        copy = before if data is None else _kept(url, data, etag)
    except KfwError as error:
        if url.sha256:
            raise
        _note(url, before, error.what)
        then = "the earlier copy is used" if before else "kfw continues without it"
        say(f"the config at {url.name} is not used: {error.what}; {then}")
        return before
    if copy:
        copy = replace(copy, newest=time.time())
        _note(url, copy)
    return copy


def _content(url: RemoteUrl, before: RemoteCopy | None) -> tuple[bytes | None, str]:
    """None: it is as before. With its etag. Raises KfwError."""
    if url.address.startswith("file:"):
        try:
            return read_bounded(unquote(urlsplit(url.address).path), LARGEST), ""
        except OSError as error:
            raise KfwError(f"it cannot be read: {words_of(error)}") from error
    headers = {"If-None-Match": before.etag} if before and before.etag else {}
    answer = fetch(url.address, FetchBounds(TIMEOUT, LARGEST), headers)
    if answer.status == 304 and before:
        return None, ""
    if answer.status != 200:
        raise KfwError(f"it is answered with {answer.status}")
    return answer.body, answer.headers.get("etag", "")


def _kept(url: RemoteUrl, data: bytes, etag: str) -> RemoteCopy:
    """In the cache, if it can be used. Raises KfwError."""
    sha256 = hashlib.sha256(data).hexdigest()
    if url.sha256 not in ("", sha256):
        raise KfwError(
            f"the config at {url.name} has the sha256 {sha256}", "it is not the one that the URL names"
        )
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise KfwError("it is not UTF-8") from error
    at = Place(url.name, layer=LAYER)
    tree, reading = read(url.file, at, text)
    problems = [*reading.problems, *(problems_of(tree) if tree else ())]
    if problems or tree is None:
        raise KfwError("; ".join(map(str, problems[:3])) or "it says nothing")
    make_private_dir(url.file.parent)
    write_atomic(url.file, data)
    return RemoteCopy(url.file, url, sha256, etag[:500])


def _note(url: RemoteUrl, copy: RemoteCopy | None, problem: str = "") -> None:
    about = (
        _About(copy.sha256, copy.etag, copy.newest, problem[:500])
        if copy
        else _About("", problem=problem[:500])
    )
    with suppress(KfwError):  # then it is fetched again
        make_private_dir(url.file.parent)
        write_atomic(_about_file(url), msgspec.json.encode(about))


def _read_about(url: RemoteUrl) -> _About | None:
    try:
        return msgspec.json.decode(read_bounded(_about_file(url), LARGEST), type=_About)
    except (OSError, msgspec.DecodeError):
        return None


def _about_file(url: RemoteUrl) -> Path:
    return url.file.with_suffix(".json")


# -- what may stand in it


def problems_of(tree: Branch) -> Iterator[ConfigProblem]:
    """Of what was read without other problems."""
    for path, leaf in leaves(tree).items():
        key = _place(path.split("."))
        if not is_allowed(key):
            what = f"{path} is not allowed in a config at a URL"
            yield ConfigProblem(leaf.at, what, "set it in a file of your own")
        elif problem := _bad_value(key, leaf.value):
            yield ConfigProblem(leaf.at, f"{path} is {leaf.value}, {problem}", "set it in a file of your own")
    if not (tree.branch("portForwards").children or tree.branch("profiles").children):
        yield ConfigProblem(tree.at, "it has no portForwards", "name at least one forward")


def _place(words: list[str]) -> list[str]:
    """The key without the names that the user chooses: `portForwards.api.health.type` is health, type."""
    if words[0] == "profiles":
        words = words[2:]
    if words[:1] == ["portForwards"]:
        return words[2:]
    return words[1:] if words[:1] == ["defaults"] else words


def is_allowed(key: list[str]) -> bool:
    """What is not known here is not: a new key has to be thought about first."""
    if key[:1] == ["health"]:
        return len(key) == 2 and key[1] in _HEALTH
    return bool(key) and (key[0] in ALLOWED or key[0] in _TOP)


def _bad_value(key: list[str], value: object) -> str:
    if key == ["health", "type"] and value == "exec":
        return "which runs a program"
    if key == ["ui"] and value in ("docker", "grpcui"):
        return "which runs a program"
    if key == ["method"] and value == "kubefwd":
        return "which runs as root"
    listed = value if isinstance(value, list) else [value]
    if key == ["address"] and not all(LOOPBACK.fullmatch(str(each)) for each in listed):
        return "which opens the port to others"
    return ""
