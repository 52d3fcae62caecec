"""One kubeconfig file: YAML or JSON -> its entries, with file and line of what is wrong."""

import base64
import binascii
import re
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, TypeVar

import msgspec
import yaml

from kfw.errors import UsageError
from kfw.kubeconfig import shape
from kfw.kubeconfig.entries import Cluster, Context, Exec, Kubeconfig, Pem, User
from kfw.secret import Secret

S = TypeVar("S", bound=shape.Named)
T = TypeVar("T")

#: The extension of a cluster whose content goes to exec plugins.
_EXEC_EXTENSION = "client.authentication.k8s.io/exec"


_BaseLoader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


class _Loader(_BaseLoader):  # type: ignore[misc]  # the C loader has no types
    """Only true, false and null are special: a context may be called `on`, a token may look like a date."""

    yaml_implicit_resolvers: dict[str, Any] = {}  # noqa: RUF012  # as the base class has it


for _tag, _pattern, _first in (
    ("bool", r"^(?:true|True|TRUE|false|False|FALSE)$", "tTfF"),
    ("null", r"^(?:~|null|Null|NULL|)$", ["~", "n", "N", ""]),
):
    _Loader.add_implicit_resolver(f"tag:yaml.org,2002:{_tag}", re.compile(_pattern), list(_first))


def read(path: Path) -> Kubeconfig | None:
    """None for a file that does not exist. Raises UsageError."""
    try:
        text = path.read_bytes()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise UsageError(f"cannot read {path}: {error.strerror}", f"ls -l {path}") from error
    return _Reader(path, text).kubeconfig()


class _Reader:
    def __init__(self, path: Path, text: bytes) -> None:
        self._path = path
        self._text = text
        self._folder = path.absolute().parent
        try:
            data = yaml.load(text, _Loader)
        except (yaml.YAMLError, UnicodeDecodeError) as error:
            raise self._broken(_line_of(error), _words_of(error)) from error
        try:
            self._file = msgspec.convert(data or {}, shape.File)
        except msgspec.ValidationError as error:
            what, _, where = str(error).partition(" - at ")
            raise self._broken(self._line(where.strip("`")), what) from error

    def kubeconfig(self) -> Kubeconfig:
        file = self._file
        return Kubeconfig(
            (str(self._path),),
            file.current_context or "",
            self._entries("contexts", file.contexts, self._context),
            self._entries("clusters", file.clusters, self._cluster),
            self._entries("users", file.users, self._user),
        )

    def _entries(self, key: str, named: list[S] | None, make: Callable[[S, str], T]) -> dict[str, T]:
        entries: dict[str, T] = {}
        for index, one in enumerate(named or ()):
            where = f"$.{key}[{index}]"
            if one.name in entries:  # kubectl refuses the file, too
                raise self._broken(self._line(where), f'the name "{one.name}" is in {key} twice')
            entries[one.name] = make(one, where)
        return entries

    def _context(self, named: shape.NamedContext, where: str) -> Context:
        one = named.context or shape.Context()
        return Context(named.name, one.cluster or "", one.user or "", one.namespace or "")

    def _cluster(self, named: shape.NamedCluster, where: str) -> Cluster:
        one = named.cluster or shape.Cluster()
        config = next((e.extension for e in one.extensions or () if e.name == _EXEC_EXTENSION), None)
        return Cluster(
            name=named.name,
            server=_url(one),
            ca=self._pem(
                one.certificate_authority_data,
                one.certificate_authority,
                f"{where}.cluster.certificate-authority-data",
            ),
            insecure=one.insecure_skip_tls_verify or False,
            tls_server_name=one.tls_server_name or "",
            proxy_url=one.proxy_url or "",
            exec_config="" if config is None else msgspec.json.encode(config).decode(),
        )

    def _user(self, named: shape.NamedUser, where: str) -> User:
        one = named.user or shape.User()
        inside = f"{where}.user.client"
        return User(
            name=named.name,
            token=Secret(one.token or ""),
            token_file=self._beside(one.token_file),
            username=one.username or "",
            password=Secret(one.password or ""),
            certificate=self._pem(
                one.client_certificate_data, one.client_certificate, f"{inside}-certificate-data"
            ),
            key=self._pem(one.client_key_data, one.client_key, f"{inside}-key-data"),
            exec=self._exec(one.exec) if one.exec else None,
            auth_provider=one.auth_provider.name if one.auth_provider else "",
            impersonate=tuple(_impersonation(one)),
            file=str(self._path),
        )

    def _exec(self, one: shape.Exec) -> Exec:
        """A command with a slash is relative to the file, others are looked up in PATH."""
        return Exec(
            api_version=one.api_version,
            command=self._beside(one.command) if "/" in one.command else one.command,
            args=tuple(one.args or ()),
            env=tuple((variable.name, variable.value or "") for variable in one.env or ()),
            install_hint=(one.install_hint or "").strip(),
            provide_cluster_info=one.provide_cluster_info or False,
            interactive_mode=one.interactive_mode or "IfAvailable",
        )

    def _pem(self, data: str | None, file: str | None, where: str) -> Pem:
        """Inline data wins over a file, as in client-go."""
        if not data:
            return Pem(file=self._beside(file) or None)
        try:
            return Pem(data=base64.b64decode("".join(data.split()), validate=True))
        except binascii.Error as error:
            raise self._broken(self._line(where), f"{where.rpartition('.')[2]} is not base64") from error

    def _beside(self, path: str | None) -> str:
        return str(self._folder / path) if path else ""

    def _broken(self, line: int | None, what: str) -> UsageError:
        place = f"{self._path}:{line}" if line else str(self._path)
        return UsageError(
            f"cannot read the kubeconfig {place}: {what}", f"kubectl config view --kubeconfig {self._path}"
        )

    def _line(self, path: str) -> int | None:
        """The line of `$.users[0].user.exec`, or of the nearest node around it."""
        node, line = yaml.compose(self._text, _Loader), None
        for step in re.findall(r"\[(\d+)\]|([\w-]+)", path.removeprefix("$")):
            if node is None:
                break
            line = node.start_mark.line + 1
            node = _child(node, *step)
        return node.start_mark.line + 1 if node is not None else line


def _child(node: yaml.Node, index: str, key: str) -> yaml.Node | None:
    if isinstance(node, yaml.SequenceNode) and index and int(index) < len(node.value):
        child: yaml.Node = node.value[int(index)]
        return child
    if isinstance(node, yaml.MappingNode):
        return next((value for name, value in node.value if name.value == key), None)
    return None


def _url(cluster: shape.Cluster) -> str:
    """Without a scheme it is https if anything is said about TLS, else http: as client-go has it."""
    server = (cluster.server or "").rstrip("/")
    if not server or "://" in server:
        return server
    about_tls = (
        cluster.certificate_authority
        or cluster.certificate_authority_data
        or cluster.insecure_skip_tls_verify
    )
    return f"{'https' if about_tls else 'http'}://{server}"


def _impersonation(user: shape.User) -> Iterable[tuple[str, str]]:
    """https://kubernetes.io/docs/reference/access-authn-authz/authentication/#user-impersonation"""
    if user.as_:
        yield "Impersonate-User", user.as_
    if user.as_uid:
        yield "Impersonate-Uid", user.as_uid
    for group in user.as_groups or ():
        yield "Impersonate-Group", group
    for key, values in (user.as_user_extra or {}).items():
        for value in values:
            yield f"Impersonate-Extra-{key}", value


def _line_of(error: Exception) -> int | None:
    mark = getattr(error, "problem_mark", None)
    return mark.line + 1 if mark else None


def _words_of(error: Exception) -> str:
    return str(getattr(error, "problem", None) or getattr(error, "reason", None) or error)
