"""What a kubeconfig says: contexts, clusters and users, merged from several files by kubectl's rules.

The first file that has an entry of a name has it whole; current-context is that of the first file that sets one;
missing files are skipped; paths in a file are relative to it.
https://kubernetes.io/docs/concepts/configuration/organize-cluster-access-kubeconfig/

An entry that is faulty is kept as a Fault, and raised only for who needs it. So is a file that cannot be read: what
earlier files have is certain, and whatever is looked for beyond them is not, as it might have been in that file.
"""

import re
from collections.abc import Iterable, Mapping, Sequence, Set
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TypeVar

from kfw.errors import UsageError
from kfw.kubeconfig import urls
from kfw.kubeconfig.urls import BadUrl, ServerUrl
from kfw.secret import NO_SECRET, Secret, is_secret_name, reveal

T = TypeVar("T")

#: A kind of entry (context, cluster, user) and a name.
Key = tuple[str, str]
CURRENT: Key = ("current-context", "")


@dataclass(frozen=True)
class Pem:
    """A certificate or key: inline, or a file that kube/credentials.py reads when it is needed."""

    data: bytes | None = field(default=None, repr=False)
    file: str | None = None

    def __bool__(self) -> bool:
        return self.data is not None or self.file is not None


@dataclass(frozen=True)
class ClusterEntry:
    """`server` and `proxy_url` as they are written, a Secret where they may hold one; `url` is for use.

    `exec_config` is JSON for exec plugins. `file` and `line` say where it was read.
    """

    name: str
    server: str
    ca: Pem = Pem()
    insecure: bool = False
    tls_server_name: str = ""
    proxy_url: str = ""
    exec_config: str = ""
    file: str = field(default="", compare=False)
    line: int = field(default=0, compare=False)

    secrets: tuple[Secret, ...] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        """What its URLs hold is known as secret as long as this entry lives."""
        values = dict.fromkeys((*_secrets_in(reveal(self.server)), *_secrets_in(reveal(self.proxy_url))))
        object.__setattr__(self, "secrets", tuple(map(Secret, values)))

    @cached_property
    def url(self) -> ServerUrl:
        """Raises UsageError."""
        try:
            return urls.parse(reveal(self.server))
        except BadUrl as error:
            raise UsageError(f'the server of cluster "{self.name}" {error.what}') from error


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


#: Characters: less is not a key, but may be any word, which would be missing in every sentence.
_SHORTEST_KEY = 20


@dataclass(frozen=True)
class UserEntry:
    """`impersonate` holds headers as they are sent. `file` and `line` say where it was read.

    `withheld` says why nothing of a login is sent although the entry has one.
    """

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
    line: int = field(default=0, compare=False)
    auth_config: tuple[tuple[str, Secret], ...] = field(default=(), repr=False)
    withheld: str = ""
    secrets: tuple[Secret, ...] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        """What stands in the file is known as secret as long as this entry lives, also a key that is given inline."""
        key = (self.key.data or b"").decode("latin-1")
        object.__setattr__(self, "secrets", (Secret(key),) if len(key) > _SHORTEST_KEY else ())


@dataclass(frozen=True)
class ContextEntry:
    name: str
    cluster: str
    user: str = ""
    namespace: str = ""
    line: int = field(default=0, compare=False)


@dataclass(frozen=True)
class Access:
    """A context with all it names: how to reach one cluster as one user."""

    context: str
    cluster: ClusterEntry
    user: UserEntry
    namespace: str = "default"
    files: tuple[str, ...] = field(default=(), compare=False)  # where it was read

    @cached_property
    def of_all_namespaces(self) -> "Access":
        """What forwards to several of them share."""
        return replace(self, namespace="")

    @cached_property
    def _hash(self) -> int:
        return hash((self.context, self.cluster, self.user, self.namespace))

    def __hash__(self) -> int:
        """It is asked for by each forward, for each dial, and has certificates in it."""
        return self._hash


@dataclass(frozen=True)
class Fault:
    """What is wrong in a file, or with it. `line` 0: it has none. `passing`: it may be gone at the next look."""

    file: str
    line: int
    what: str
    passing: bool = False

    @property
    def words(self) -> str:
        place = f"{self.file}:{self.line}" if self.line else self.file
        return f"cannot read the kubeconfig {place}: {self.what}"

    def error(self) -> UsageError:
        if self.line:
            return UsageError(self.words, f"correct line {self.line} of {self.file}")
        return UsageError(self.words, f"ls -l {self.file}")


@dataclass(frozen=True)
class Kubeconfig:
    """`faults` by kind and name, and CURRENT; none of them is in the other mappings.

    `broken`: a file could not be read, so what is not here may be in it, or in one behind it.
    """

    files: tuple[str, ...] = ()
    current_context: str = ""
    contexts: Mapping[str, ContextEntry] = field(default_factory=dict)
    clusters: Mapping[str, ClusterEntry] = field(default_factory=dict)
    users: Mapping[str, UserEntry] = field(default_factory=dict)
    faults: Mapping[Key, Fault] = field(default_factory=dict)
    broken: Fault | None = None

    def known(self) -> set[Key]:
        """All that it says something about, be it faulty."""
        named = {"context": self.contexts, "cluster": self.clusters, "user": self.users}
        known: set[Key] = {(kind, name) for kind, entries in named.items() for name in entries}
        return known | set(self.faults) | ({CURRENT} if self.current_context else set())

    def current(self) -> str:
        """The current context's name, "" if none is set. Raises UsageError if that cannot be known."""
        self._check(CURRENT, self.current_context)
        return self.current_context

    def context(self, name: str) -> ContextEntry | None:
        """Raises UsageError for a faulty one, as do `cluster` and `user`."""
        self._check(("context", name), self.contexts.get(name))
        return self.contexts.get(name)

    def cluster(self, name: str) -> ClusterEntry | None:
        self._check(("cluster", name), self.clusters.get(name))
        return self.clusters.get(name)

    def user(self, name: str) -> UserEntry | None:
        self._check(("user", name), self.users.get(name))
        return self.users.get(name)

    def access(self, name: str) -> Access:
        """Raises UsageError: context-not-found with the known names, or bad-config with file and line."""
        context = self.context(name)
        if context is None:
            raise UsageError(
                f'context "{name}" does not exist in {self._where()}',
                f"use one of: {', '.join(sorted(self.contexts)) or 'none is defined'}",
                reason="context-not-found",
            )
        cluster = self.cluster(context.cluster) or self._missing("cluster", context, self.clusters)
        user = UserEntry("")
        if context.user or "" in self.users:
            user = self.user(context.user) or self._missing("user", context, self.users)
        if not cluster.server:
            raise UsageError(
                f'cluster "{cluster.name}" of context "{name}" has no server in {self._where()}',
                f"kubectl config set-cluster {cluster.name} --server=https://HOST:PORT",
                reason="context-not-found",
            )
        user = login_for(user, cluster)
        return Access(name, cluster, user, context.namespace or "default", self.files)

    def _check(self, key: Key, found: object) -> None:
        if fault := self.faults.get(key):
            raise fault.error()
        if not found and self.broken:
            raise self.broken.error()

    def _missing(self, kind: str, context: ContextEntry, known: Mapping[str, T]) -> T:
        name = context.cluster if kind == "cluster" else context.user
        raise UsageError(
            f'context "{context.name}" names the {kind} "{name}", which does not exist in {self._where()}',
            f"kubectl config set-context {context.name} --{kind}=NAME, with one of: "
            f"{', '.join(sorted(known)) or 'none is defined'}",
            reason="context-not-found",
        )

    def _where(self) -> str:
        return " or ".join(self.files) or "any kubeconfig"


def login_for(user: UserEntry, cluster: ClusterEntry) -> UserEntry:
    """What of the user's login goes to this cluster, as kubectl has it.

    A name in the server's URL wins over all; over plain HTTP nothing else is sent; a login that is written there wins
    over one that must be asked for.
    """
    url = cluster.url
    if url.has_login:
        password = url.password
        return replace(_bare(user), username=reveal(url.username), password=password, withheld="")
    if not url.is_https:
        return _bare(user)
    if user.token or user.token_file or user.username:
        return replace(user, exec=None, auth_provider="", auth_config=())
    return replace(user, exec=None) if user.certificate else user


def _bare(user: UserEntry) -> UserEntry:
    """Without any login, but as whom it acts."""
    has_one = (user.token, user.token_file, user.username, user.certificate, user.exec, user.auth_provider)
    why = (
        "no login is sent over plain HTTP: the cluster's server must begin with https://"
        if any(has_one)
        else ""
    )
    return UserEntry(
        name=user.name, impersonate=user.impersonate, file=user.file, line=user.line, withheld=why
    )


#: The password in a URL, which may hold a slash although it should not, and `NAME=VALUE` anywhere.
#: Neither takes a time that grows faster than its text: a name is looked for at its first character only, a password in
#: what stands before an @.
_BEFORE_AN_AT = re.compile(r"(?<![^\s@])[^\s@]++(?=@)")
_PASSWORD_OF_A_URL = re.compile(r"://[^/?#:]*+:(.+)\Z")
_ASSIGNMENT = re.compile(r"(?<![\w.-])([\w.-]++)=([^\s&;#'\"]+)")


def _secrets_in(text: str) -> Iterable[str]:
    """Passwords of URLs, whole and in the pieces that a parser may quote; values of names that are those of secrets."""
    for password in (
        found[1] for part in _BEFORE_AN_AT.findall(text) if (found := _PASSWORD_OF_A_URL.search(part))
    ):
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


def merge(parts: Iterable[Kubeconfig]) -> Kubeconfig:
    """Earlier parts win, also with what is faulty in them. Nothing is taken from behind one that is broken."""
    merged = Kubeconfig()
    for part in parts:
        files = (*merged.files, *part.files)
        merged = replace(merged if merged.broken else _overlay(merged, part), files=files)
    return merged


def _overlay(first: Kubeconfig, second: Kubeconfig) -> Kubeconfig:
    known = first.known()
    return Kubeconfig(
        current_context=first.current_context if CURRENT in known else second.current_context,
        contexts={**_unknown("context", second.contexts, known), **first.contexts},
        clusters={**_unknown("cluster", second.clusters, known), **first.clusters},
        users={**_unknown("user", second.users, known), **first.users},
        faults={**{key: fault for key, fault in second.faults.items() if key not in known}, **first.faults},
        broken=second.broken,
    )


def _unknown(kind: str, entries: Mapping[str, T], known: Set[Key]) -> dict[str, T]:
    return {name: entry for name, entry in entries.items() if (kind, name) not in known}
