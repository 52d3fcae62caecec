"""What a kubeconfig says: contexts, clusters and users, merged from several files by kubectl's rules.

The first file that has an entry of a name has it whole; current-context is that of the first file that sets one;
missing files are skipped; paths in a file are relative to it.
https://kubernetes.io/docs/concepts/configuration/organize-cluster-access-kubeconfig/
"""

import os
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

from kfw.errors import UsageError
from kfw.paths import user_home
from kfw.secret import NO_SECRET, Secret, is_secret_name, reveal

T = TypeVar("T")


@dataclass(frozen=True)
class Pem:
    """A certificate or key: inline, or a file that kube/outside_file.py reads when it is needed."""

    data: bytes | None = field(default=None, repr=False)
    file: str | None = None

    def __bool__(self) -> bool:
        return self.data is not None or self.file is not None


@dataclass(frozen=True)
class Cluster:
    """`server` is the URL, without a slash at its end. `exec_config` is JSON for exec plugins."""

    name: str
    server: str
    ca: Pem = Pem()
    insecure: bool = False
    tls_server_name: str = ""
    proxy_url: str = ""
    exec_config: str = ""
    secrets: tuple[Secret, ...] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        """What its URLs hold is known as secret as long as this entry lives."""
        values = dict.fromkeys((*_secrets_in(reveal(self.server)), *_secrets_in(reveal(self.proxy_url))))
        object.__setattr__(self, "secrets", tuple(map(Secret, values)))


@dataclass(frozen=True)
class Exec:
    """A plugin that logs in (client.authentication.k8s.io). Its arguments and variables are shown nowhere.

    `secrets` are the values in them that look like secrets, so that they are known when the plugin quotes them.
    """

    api_version: str
    command: str
    args: tuple[str, ...] = field(default=(), repr=False)
    env: tuple[tuple[str, str], ...] = field(default=(), repr=False)
    install_hint: str = ""
    provide_cluster_info: bool = False
    interactive_mode: str = "IfAvailable"
    secrets: tuple[Secret, ...] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        values = dict.fromkeys((*_secrets_in_args(self.args), *_secrets_in_env(self.env)))
        object.__setattr__(self, "secrets", tuple(map(Secret, values)))


@dataclass(frozen=True)
class User:
    """`impersonate` holds headers as they are sent. `file` is where it was read, for the words of errors."""

    name: str
    token: Secret = NO_SECRET
    token_file: str = ""
    username: str = ""
    password: Secret = NO_SECRET
    certificate: Pem = Pem()
    key: Pem = Pem()
    exec: Exec | None = None
    auth_provider: str = ""
    impersonate: tuple[tuple[str, str], ...] = ()
    file: str = ""
    secrets: tuple[Secret, ...] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        """What stands in the file is known as secret as long as this entry lives, also a key that is given inline."""
        key = self.key.data.decode("latin-1") if self.key.data else ""
        object.__setattr__(self, "secrets", (Secret(key),))


@dataclass(frozen=True)
class Context:
    name: str
    cluster: str
    user: str = ""
    namespace: str = ""


@dataclass(frozen=True)
class Access:
    """A context with all it names: how to reach one cluster as one user."""

    context: str
    cluster: Cluster
    user: User
    namespace: str = "default"
    files: tuple[str, ...] = field(default=(), compare=False)  # where it was read


@dataclass(frozen=True)
class Kubeconfig:
    files: tuple[str, ...] = ()
    current_context: str = ""
    contexts: Mapping[str, Context] = field(default_factory=dict)
    clusters: Mapping[str, Cluster] = field(default_factory=dict)
    users: Mapping[str, User] = field(default_factory=dict)

    def access(self, name: str) -> Access:
        """Raises UsageError (context-not-found) that lists the known names."""
        context = self.contexts.get(name)
        if context is None:
            raise UsageError(
                f'context "{name}" does not exist in {self._where()}',
                f"use one of: {', '.join(sorted(self.contexts)) or 'none is defined'}",
                reason="context-not-found",
            )
        cluster = self._named("cluster", context, context.cluster, self.clusters)
        user = self._named("user", context, context.user, self.users) if context.user else User("")
        if not cluster.server:
            raise UsageError(
                f'cluster "{cluster.name}" of context "{name}" has no server in {self._where()}',
                f"kubectl config set-cluster {cluster.name} --server=https://HOST:PORT",
                reason="context-not-found",
            )
        return Access(name, cluster, user, context.namespace or "default", self.files)

    def _named(self, kind: str, context: Context, name: str, known: Mapping[str, T]) -> T:
        if name not in known:
            raise UsageError(
                f'context "{context.name}" names the {kind} "{name}", which does not exist in {self._where()}',
                f"kubectl config set-context {context.name} --{kind}=NAME, with one of: "
                f"{', '.join(sorted(known)) or 'none is defined'}",
                reason="context-not-found",
            )
        return known[name]

    def _where(self) -> str:
        return " or ".join(self.files) or "any kubeconfig"


#: The password in a URL, which may hold a slash although it should not, and `NAME=VALUE` anywhere.
_PASSWORD_IN_URL = re.compile(r"://[^\s/?#@:]*:([^\s@]+)@")
_ASSIGNMENT = re.compile(r"([\w.-]+)=([^\s&;#'\"]+)")


def _secrets_in(text: str) -> Iterable[str]:
    """Passwords of URLs, whole and in the pieces that a parser may quote; values of names that are those of secrets."""
    for password in _PASSWORD_IN_URL.findall(text):
        yield password
        yield from re.split("[/?#]", password)
    yield from (value for name, value in _ASSIGNMENT.findall(text) if is_secret_name(name))


def _secrets_in_args(args: Sequence[str]) -> Iterable[str]:
    """`--client-secret=X`, `--client-secret X`, `CLIENT_SECRET=X` (for env), and what is in URLs."""
    takes_next = False
    for arg in args:
        name, equals, value = arg.partition("=")
        secret = is_secret_name(name)
        if value and secret:
            yield value
        elif takes_next and not arg.startswith("-"):
            yield arg
        yield from _secrets_in(arg)
        takes_next = secret and not equals and arg.startswith("-")


def _secrets_in_env(env: Iterable[tuple[str, str]]) -> Iterable[str]:
    for name, value in env:
        if value and is_secret_name(name):
            yield value
        yield from _secrets_in(value)


def default_files(kubeconfig: str | None) -> tuple[str, ...]:
    """The files of $KUBECONFIG (a list as PATH is one), else ~/.kube/config; absolute, each once."""
    listed = [part for part in (kubeconfig or "").split(os.pathsep) if part]
    if not listed:
        return (str(user_home() / ".kube" / "config"),)
    return tuple(dict.fromkeys(str(Path(part).absolute()) for part in listed))


def merge(parts: Iterable[Kubeconfig]) -> Kubeconfig:
    """Earlier parts win."""
    files: list[str] = []
    current = ""
    contexts, clusters, users = dict[str, Context](), dict[str, Cluster](), dict[str, User]()
    for part in parts:
        files += part.files
        current = current or part.current_context
        _add(contexts, part.contexts)
        _add(clusters, part.clusters)
        _add(users, part.users)
    return Kubeconfig(tuple(files), current, contexts, clusters, users)


def _add(into: dict[str, T], entries: Mapping[str, T]) -> None:
    for name, entry in entries.items():
        into.setdefault(name, entry)


def load(files: Sequence[str]) -> Kubeconfig:
    """Reads and merges. Raises UsageError for a file that cannot be read or is no kubeconfig; a missing one is none."""
    from kfw.kubeconfig.read import read  # brings in yaml

    parts = [part for file in files if (part := read(Path(file))) is not None]
    return merge([Kubeconfig(tuple(files)), *(_without_file(part) for part in parts)])


def _without_file(part: Kubeconfig) -> Kubeconfig:
    return Kubeconfig((), part.current_context, part.contexts, part.clusters, part.users)
