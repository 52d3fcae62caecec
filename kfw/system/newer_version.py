"""Is there a newer kfw? Asked of the package index that pip or uv of this machine would ask, and remembered for a day.

The index is asked by its simple API in JSON (PEP 691, PEP 700). Nothing here installs anything.
"""

import base64
import json
import os
import re
import shlex
import sys
import time
from collections.abc import Callable, Iterable, Mapping
from configparser import ConfigParser, Error
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import unquote, urlsplit, urlunsplit

from kfw import __version__, folders
from kfw.errors import KfwError
from kfw.system.fetch import FetchBounds, fetch
from kfw.system.files import make_private_dir, read_bounded, write_atomic
from kfw.system.installation import DISTRIBUTION, InstallationTraces, Installer, installer_of
from kfw.system.update_notice import notice_file

#: Seconds that a question may take, and bytes of an answer.
TIMEOUT, LARGEST = 10.0, 16 << 20
_JSON = "application/vnd.pypi.simple.v1+json"
_FINAL = re.compile(r"v?([0-9]+(?:\.[0-9]+)*)(?:\.?post[0-9]+)?")

Version = tuple[int, ...]


class Index(NamedTuple):
    """`url` is without name and password, `authorization` the header made of them; `why`: who named it."""

    url: str
    authorization: str
    why: str


# -- which index


def index_of(environ: Mapping[str, str], given: str = "") -> Index:
    """What was given, else uv's and pip's variables, their files, and what pip has built in. Raises KfwError is none."""
    for url, why in _candidates(environ, given):
        if url:
            return _parted(url, why)
    raise KfwError("no package index is known", "name one: kfw update --index URL")


def _candidates(environ: Mapping[str, str], given: str) -> Iterable[tuple[str, str]]:
    yield given, "--index"
    for name in ("UV_DEFAULT_INDEX", "UV_INDEX_URL", "PIP_INDEX_URL"):
        yield environ.get(name, "").strip(), name
    for file in _pip_files(environ):
        yield _of_pip(file), str(file)
    yield _built_in(), "pip"


def _pip_files(environ: Mapping[str, str]) -> list[Path]:
    """In pip's order of precedence, the strongest first: https://pip.pypa.io/en/stable/topics/configuration/"""
    home = Path(environ.get("HOME") or folders.user_home())
    config = Path(environ.get("XDG_CONFIG_HOME") or home / ".config")
    mac = home / "Library" / "Application Support"
    files = [Path(sys.prefix, "pip.conf"), config / "pip" / "pip.conf", mac / "pip" / "pip.conf"]
    named = environ.get("PIP_CONFIG_FILE", "")
    if named == os.devnull:
        return []
    return [*([Path(named)] if named else []), *files, home / ".pip" / "pip.conf", Path("/etc/pip.conf")]


def _of_pip(file: Path) -> str:
    parser = ConfigParser(interpolation=None)
    try:
        parser.read_string(read_bounded(file).decode())
    except (OSError, UnicodeDecodeError, Error):
        return ""
    found = (parser.get(section, "index-url", fallback="") for section in ("install", "global"))
    return next((url.strip() for url in found if url.strip()), "")


def _built_in() -> str:
    """pip's own default, where pip is installed beside kfw."""
    try:
        from pip._internal.models.index import PyPI
    except Exception:  # noqa: BLE001  private to pip: whatever it has become, there is no answer then
        return ""
    return str(getattr(PyPI, "simple_url", ""))


def _parted(url: str, why: str) -> Index:
    try:
        parts = urlsplit(url)
        host = f"{parts.hostname or ''}{f':{parts.port}' if parts.port else ''}"
    except ValueError as error:
        raise KfwError(f"the package index of {why} is not a valid URL: {error}") from error
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise KfwError(f"the package index of {why} does not begin with https:// or http://")
    login = ":".join(unquote(part) for part in (parts.username, parts.password) if part is not None)
    sent = f"Basic {base64.b64encode(login.encode()).decode()}" if login else ""
    return Index(urlunsplit((parts.scheme, host, parts.path.rstrip("/"), "", "")), sent, why)


# -- what it has


def newest(index: Index, python: tuple[int, int] = sys.version_info[:2]) -> str:
    """The newest version that is meant for everybody and runs on this Python, "" is none. Raises KfwError."""
    headers = {"Accept": _JSON} | ({"Authorization": index.authorization} if index.authorization else {})
    # With a login it follows nobody to another host.
    bounds = FetchBounds(TIMEOUT, LARGEST, ("https", "http"), redirects=0 if index.authorization else 3)
    answer = fetch(f"{index.url}/{DISTRIBUTION}/", bounds, headers)
    if answer.status == 404:
        return ""
    if answer.status != 200:
        raise KfwError(f"the package index {index.url} answers with {answer.status}")
    try:
        found = json.loads(answer.body)
        return newest_of(found["files"], python)
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise KfwError(f"the package index {index.url} does not answer in JSON (PEP 691)") from error


def newest_of(files: Iterable[Mapping[str, Any]], python: tuple[int, int]) -> str:
    """Of PEP 691's files. Withdrawn ones, previews and what needs another Python do not count."""
    versions = {
        version: number
        for file in files
        if not file.get("yanked")
        and _runs_on(str(file.get("requires-python") or ""), python)
        and (version := _version_in(str(file["filename"])))
        and (number := parsed(version))
    }
    return max(versions, key=lambda version: versions[version], default="")


def _version_in(filename: str) -> str:
    """`kfw_cli-1.2.0-py3-none-any.whl`, `kfw_cli-1.2.0.tar.gz`"""
    name = re.escape(DISTRIBUTION).replace(r"\-", "[-_.]")
    found = re.fullmatch(rf"{name}-([^-]+?)(-.*\.whl|\.tar\.gz|\.zip)", filename, re.IGNORECASE)
    return found[1] if found else ""


def _runs_on(requires: str, python: tuple[int, int]) -> bool:
    found = re.search(r">=\s*3\.([0-9]{1,3})", requires)
    return not found or python >= (3, int(found[1]))


def parsed(version: str) -> Version:
    """(1, 2) of 1.2.0: zeros at the end say nothing. () of a preview, and of what is no version."""
    found = _FINAL.fullmatch(version.strip().lower())
    if not found or len(version) > 100:
        return ()
    parts = [int(part) for part in found[1].split(".")]
    while parts and not parts[-1]:
        parts.pop()
    return tuple(parts)


def is_newer(latest: str, current: str) -> bool:
    """False for previews, and for a `current` that is none of ours, as of a checkout."""
    new, old = parsed(latest), parsed(current)
    return bool(new) and (bool(old) or current.strip("0.") == "") and new > old


def upgrade_line(traces: InstallationTraces, python: str) -> str:
    """What to type for a newer kfw in the way that this one was installed; `python` is the path of its interpreter."""
    how = installer_of(traces)
    package = str(Path(traces.package).parent)
    match how:
        case Installer.PIPX:
            return f"pipx upgrade {DISTRIBUTION}"
        case Installer.UV if "uv-receipt.toml" in traces.marks:
            return f"uv tool upgrade {DISTRIBUTION}"
        case Installer.UV:
            return f"uv pip install --python {shlex.quote(python)} --upgrade {DISTRIBUTION}"
        case Installer.BREW:
            return f"brew upgrade {_brew_formula(traces.package)}"
        case Installer.NIX:
            return "nix profile upgrade kfw"
        case Installer.DEB:
            return f"sudo apt-get update && sudo apt-get install --only-upgrade {DISTRIBUTION}"
        case Installer.ZIPAPP:
            return "replace this file with the new one"
        case Installer.EDITABLE | Installer.SOURCE:
            return f"git -C {shlex.quote(package)} pull"
    return f"{shlex.quote(python)} -m pip install --upgrade {DISTRIBUTION}"


def _brew_formula(package: str) -> str:
    """`kfw` of /opt/homebrew/Cellar/kfw/1.0/libexec/..."""
    return package.partition("/Cellar/")[2].partition("/")[0]


# -- what is remembered


def remember(now: float, latest: str, line: str) -> None:
    """`latest` is "-" where nothing is newer. Raises KfwError."""
    file = Path(notice_file())
    make_private_dir(file.parent)
    write_atomic(file, f"{int(now)} {__version__} {latest or '-'}\n{line}\n".encode())


def check(index: Index, line: str, now: Callable[[], float] = time.time) -> str:
    """The newer version that there is, "" for none; remembered. Raises KfwError."""
    found = newest(index)
    latest = found if is_newer(found, __version__) else ""
    remember(now(), latest, line)
    return latest
