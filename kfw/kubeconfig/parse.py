"""One kubeconfig file -> its entries, one by one: a fault of one concerns only the contexts that use it.

What is static in an entry is checked here, with file and line, by the rules of client-go's clientcmd/validation.go and
what its transport refuses; differences from it are listed in tests/kubeconfig/differences.py.
"""

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeVar
from urllib.parse import quote

import msgspec

from kfw.kubeconfig import urls, yaml_tree
from kfw.kubeconfig.entries import (
    CURRENT,
    ClusterEntry,
    ContextEntry,
    Exec,
    Fault,
    Key,
    Kubeconfig,
    Pem,
    UserEntry,
)
from kfw.kubeconfig.fields import Faulty, Fields
from kfw.kubeconfig.urls import BadUrl
from kfw.kubeconfig.yaml_tree import BadYaml, YamlMapping
from kfw.secret import Secret
from kfw.system.files import read_bounded

T = TypeVar("T", ContextEntry, ClusterEntry, UserEntry)

#: The extension of a cluster whose content goes to exec plugins.
_EXEC_EXTENSION = "client.authentication.k8s.io/exec"
_EXEC_VERSIONS = ("client.authentication.k8s.io/v1", "client.authentication.k8s.io/v1beta1")
_INTERACTIVE_MODES = ("Never", "IfAvailable", "Always")
#: Of RFC 9110 section 5.6.2, without the percent sign: client-go escapes all others in a header's name.
_TOKEN_CHARACTERS = "!#$&'*+-.^_`|~"


def read(path: Path) -> Kubeconfig | None:
    """None for a file that does not exist. A file that cannot be read at all has `broken` set."""
    try:
        text = read_bounded(path)
    except FileNotFoundError:
        return None
    except OSError as error:
        return _broken_file(path, 0, error.strerror or "it cannot be read", passing=True)
    except ValueError:  # a NUL in its name
        return _broken_file(path, 0, "its name is not a file's name")
    try:
        root = yaml_tree.parse(text)
        if root is None or (isinstance(root, yaml_tree.YamlScalar) and root.is_null):
            root = YamlMapping(1)
        if not isinstance(root, YamlMapping):
            raise Faulty("it is not a mapping with clusters, users and contexts", root.line)
        return _Reader(path, Fields(root, "")).kubeconfig()
    except BadYaml as error:
        return _broken_file(path, error.line or 0, error.what)
    except Faulty as error:
        return _broken_file(path, error.line, error.what)


def _broken_file(path: Path, line: int, what: str, *, passing: bool = False) -> Kubeconfig:
    return Kubeconfig((str(path),), broken=Fault(str(path), line, what, passing))


class _Reader:
    def __init__(self, path: Path, root: Fields) -> None:
        self._path = path
        self._root = root
        self._folder = path.absolute().parent
        self._faults: dict[Key, Fault] = {}

    def kubeconfig(self) -> Kubeconfig:
        """Raises Faulty for what makes the whole file none."""
        self._check_kind()
        contexts = self._entries("context", self._context)
        clusters = self._entries("cluster", self._cluster)
        users = self._entries("user", self._user)
        current = ""
        try:
            current = self._root.text("current-context")
        except Faulty as error:
            self._faults[CURRENT] = self._fault(error, self._root.line)
        return Kubeconfig((str(self._path),), current, contexts, clusters, users, self._faults)

    def _check_kind(self) -> None:
        for key, wanted in (("apiVersion", "v1"), ("kind", "Config")):
            if self._root.text(key) not in ("", wanted):
                raise Faulty(f"its {key} must be {wanted}: it is not a kubeconfig", self._root.line_of(key))

    def _entries(self, kind: str, make: Callable[[str, Fields, int], T]) -> dict[str, T]:
        """Of a name that is there twice nobody knows which one counts; kubectl refuses the file."""
        made: dict[str, T] = {}
        lines: dict[str, int] = {}
        for one in self._root.mappings(f"{kind}s"):
            try:
                name = one.text("name")
            except Faulty:
                continue  # nothing can name it
            if name in lines:
                both = f'the name "{name}" is in {kind}s twice, in lines {lines[name]} and {one.line}'
                self._faults[kind, name] = self._fault(Faulty(both, one.line), one.line)
                made.pop(name, None)
                continue
            lines[name] = one.line
            try:
                made[name] = make(name, one.inside(kind), one.line)
            except Faulty as error:
                self._faults[kind, name] = self._fault(error, one.line)
        return made

    def _fault(self, error: Faulty, line: int) -> Fault:
        return Fault(str(self._path), error.line or line, error.what)

    def _context(self, name: str, one: Fields, line: int) -> ContextEntry:
        return ContextEntry(name, one.text("cluster"), one.text("user"), one.text("namespace"), line)

    def _cluster(self, name: str, one: Fields, line: int) -> ClusterEntry:
        server, proxy_url = one.text("server").strip(), one.text("proxy-url").strip()
        tls_server_name = one.text("tls-server-name").strip()
        insecure = one.flag("insecure-skip-tls-verify")
        ca = self._pem(one, "certificate-authority")
        if insecure and ca:
            raise Faulty(
                "insecure-skip-tls-verify and a certificate-authority cannot be used together",
                one.line_of("insecure-skip-tls-verify"),
            )
        _check_url(one, "server", server, urls.parse)
        _check_url(one, "proxy-url", proxy_url, urls.parse_proxy)
        _check_url(one, "tls-server-name", tls_server_name, urls.name_of)
        return ClusterEntry(
            name=name,
            server=urls.guard(server),
            ca=ca,
            insecure=insecure,
            tls_server_name=tls_server_name,
            proxy_url=urls.guard(proxy_url),
            exec_config=_exec_config(one),
            line=line,
            file=str(self._path),
        )

    def _user(self, name: str, one: Fields, line: int) -> UserEntry:
        token = one.text("token").rstrip(" \t")
        if _has_control(token):
            raise Faulty("token holds a line break or another control character", one.line_of("token"))
        user = UserEntry(
            name=name,
            token=Secret(token),
            token_file=self._beside(one.text("tokenFile")),
            username=one.text("username"),
            password=Secret(one.text("password")),
            certificate=self._pem(one, "client-certificate"),
            key=self._pem(one, "client-key"),
            exec=self._exec(one.inside("exec")) if one.has("exec") else None,
            auth_provider=one.inside("auth-provider").text("name"),
            auth_config=_auth_config(one.inside("auth-provider").inside("config")),
            impersonate=tuple(_impersonation(one)),
            file=str(self._path),
            line=line,
        )
        _check_login(user, one)
        return user

    def _exec(self, one: Fields) -> Exec:
        """A command with a slash is relative to the file, others are looked up in PATH."""
        command, version, mode = (one.text(key) for key in ("command", "apiVersion", "interactiveMode"))
        if not command or not version:
            raise Faulty(f"exec must have its {'command' if not command else 'apiVersion'}", one.line)
        if version not in _EXEC_VERSIONS:
            known = " or ".join(_EXEC_VERSIONS)
            raise Faulty(
                f"apiVersion of exec must be {known}: Kubernetes has no other", one.line_of("apiVersion")
            )
        if mode and mode not in _INTERACTIVE_MODES:
            words = ", ".join(_INTERACTIVE_MODES)
            raise Faulty(f"interactiveMode must be one of {words}", one.line_of("interactiveMode"))
        env = tuple((variable.text("name"), variable.text("value")) for variable in one.each("env"))
        if not all(_can_be_set(variable, value) for variable, value in env):
            raise Faulty(
                "a variable in env of exec has no name, or one that cannot be set", one.line_of("env")
            )
        args = one.texts("args")
        if any("\0" in word for word in (command, *args)):
            raise Faulty("command and args of exec must not hold a NUL", one.line)
        return Exec(
            api_version=version,
            command=self._beside(command) if "/" in command else command,
            args=args,
            env=env,
            install_hint=one.text("installHint").strip(),
            provide_cluster_info=one.flag("provideClusterInfo"),
            interactive_mode=mode or "IfAvailable",
        )

    def _pem(self, one: Fields, key: str) -> Pem:
        """Inline data wins over a file."""
        data = one.data(f"{key}-data")
        return Pem(data=data) if data else Pem(file=self._beside(one.text(key)) or None)

    def _beside(self, path: str) -> str:
        """Without dots, as Go's filepath.Join has it: a folder that `..` leads out of need not be there."""
        if "\0" in path:
            raise Faulty("a file's name must not hold a NUL")
        return os.path.normpath(self._folder / path) if path else ""


def _check_url(one: Fields, key: str, text: str, parse: Callable[[str], object]) -> None:
    try:
        if text:
            parse(text)
    except BadUrl as error:
        raise Faulty(f"{key} {error.what}", one.line_of(key)) from error


def _has_control(text: str) -> bool:
    """What no header can hold (RFC 9110 section 5.5)."""
    return any((character < " " and character != "\t") or character == "\x7f" for character in text)


def _can_be_set(variable: str, value: str) -> bool:
    return bool(variable) and "=" not in variable and "\0" not in variable + value


def _exec_config(cluster: Fields) -> str:
    for extension in cluster.each("extensions"):
        if extension.text("name") == _EXEC_EXTENSION and extension.has("extension"):
            return msgspec.json.encode(extension.value("extension")).decode()
    return ""


def _auth_config(config: Fields) -> tuple[tuple[str, Secret], ...]:
    return tuple((key, Secret(config.text(key))) for key in config.names())


def _impersonation(user: Fields) -> Iterator[tuple[str, str]]:
    """https://kubernetes.io/docs/reference/access-authn-authz/authentication/#user-impersonation"""
    extra = user.inside("as-user-extra")
    asked = [
        ("as", "Impersonate-User", (user.text("as"),)),
        ("as-uid", "Impersonate-Uid", (user.text("as-uid"),)),
        ("as-groups", "Impersonate-Group", user.texts("as-groups")),
        *(("as-user-extra", f"Impersonate-Extra-{_escape(key)}", extra.texts(key)) for key in extra.names()),
    ]
    for key, header, values in asked:
        for value in values:
            if _has_control(value):
                raise Faulty(f"{key} holds a line break or another control character", user.line_of(key))
            if value or key in ("as-groups", "as-user-extra"):
                yield header, value.strip(" \t")


def _escape(key: str) -> str:
    """As client-go's transport.headerKeyEscape does."""
    return quote(key, safe=_TOKEN_CHARACTERS)


def _check_login(user: UserEntry, one: Fields) -> None:
    """Raises Faulty for what contradicts itself."""
    if user.token and user.username:
        raise Faulty("it has a token and a username: only one way to log in is allowed", one.line)
    if user.exec and user.auth_provider:
        raise Faulty("it has exec and an auth-provider: only one of them is allowed", one.line)
    if user.certificate and not user.key:
        raise Faulty(
            "a client-certificate needs client-key-data or client-key", one.line_of("client-certificate-data")
        )
    if user.impersonate and not one.text("as"):
        raise Faulty("as-uid, as-groups and as-user-extra need as: whom to act as", one.line)
