"""The environment of the shell that asked for a forward: what its plugins, proxies and children see. Pure.

Values may be secrets (AWS_SECRET_ACCESS_KEY, a proxy's password), so an Environ shows names only; it is kept in memory
only, never in the store, the ledger, a status or an event. After a restart of the daemon it is not known until the next
request brings it; meanwhile the daemon's own serves.
"""

from collections.abc import Iterable, Iterator, Mapping

from kfw.errors import UsageError
from kfw.names import RowId
from kfw.secret import Secret, is_secret_name

#: Variables of one request, characters of a name, bytes of a value (what Linux takes for one string), bytes of all.
MOST, LONGEST_NAME, LONGEST_VALUE, MOST_BYTES = 4000, 1000, 128 * 1024, 2 * 1024 * 1024
#: What only the shell itself is concerned with. kfw's own variables say where this daemon lives, not another one.
_OF_THE_SHELL = frozenset(
    {"_", "PWD", "OLDPWD", "SHLVL", "PS0", "PS1", "PS2", "PS3", "PS4", "PROMPT_COMMAND"}
)
_OWN = "KFW_"
#: But this is said in the shell that wants a forward: an image for its forwarder.
_OF_A_FORWARD = "KFW_FORWARDER_IMAGE"
#: What differs between two terminals of one user and means nothing to a login: passed on, but no reason for another one.
_OF_THE_TERMINAL = frozenset(
    {
        *("COLORTERM", "COLUMNS", "DESKTOP_STARTUP_ID", "DIRENV_DIFF", "DIRENV_WATCHES", "GPG_TTY", "INVOCATION_ID"),
        *("JOURNAL_STREAM", "LINES", "LS_COLORS", "SECURITYSESSIONID", "SSH_CLIENT", "SSH_CONNECTION", "SSH_TTY"),
        *("STARSHIP_SESSION_KEY", "STY", "SYSTEMD_EXEC_PID", "WINDOWID", "XDG_ACTIVATION_TOKEN", "XDG_SESSION_ID"),
        *("XDG_VTNR", "WT_SESSION"),
    }
)  # fmt: skip
_TERMINALS = (
    "ALACRITTY_",
    "GNOME_TERMINAL_",
    "ITERM_",
    "KITTY_",
    "KONSOLE_",
    "TERM",
    "TMUX",
    "VSCODE_",
    "WEZTERM_",
)
#: All that decides how an API server without a plugin is reached: see kube/proxy.py.
_PROXIES = ("HTTPS_PROXY", "https_proxy", "HTTP_PROXY", "http_proxy", "NO_PROXY", "no_proxy")


class Environ(Mapping[str, str]):
    """Immutable. `known`: somebody sent it; else it is the daemon's own, for want of anything better."""

    def __init__(self, variables: Mapping[str, str], *, known: bool = True) -> None:
        self._variables = dict(variables)
        self.known = known
        whole = (i for i in self._variables.items() if not _is_of_the_terminal(i[0]))
        self._whole = _digest(whole)
        self._proxies = _digest((name, self._variables.get(name, "")) for name in _PROXIES)
        # While they exist `redact` knows them: a plugin may say in its words what it was given.
        self._secrets = [Secret(value) for name, value in self._variables.items() if _is_secret(name, value)]

    def key(self, *, plugin: bool) -> bytes:
        """Equal for two environments that are the same to a login. With a plugin any variable may matter to it; without
        one only those that name a proxy do."""
        return self._whole if plugin else self._proxies

    def __getitem__(self, name: str) -> str:
        return self._variables[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._variables)

    def __len__(self) -> int:
        return len(self._variables)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Environ) and self._variables == other._variables

    def __hash__(self) -> int:
        return hash(self._whole)

    def __repr__(self) -> str:
        return f"Environ({', '.join(sorted(self._variables))})"


class Environs:
    """Whose environment each forward has: and that of the source, for forwards that come later."""

    def __init__(self, own: Mapping[str, str], *, known: bool = False) -> None:
        """`own`: this process's. `known`: it is the caller's, as in `up --foreground`."""
        self._own = Environ(own, known=known)
        self._daemons = {n: v for n, v in own.items() if n.startswith(_OWN) and n != _OF_A_FORWARD}
        self._by_row: dict[RowId, Environ] = {}
        self._by_source: dict[str, Environ] = {}

    def of(self, row: RowId) -> Environ:
        return self._by_row.get(row, self._own)

    def has(self, row: RowId) -> bool:
        """One of its own, that somebody sent."""
        return row in self._by_row

    def of_source(self, source: str) -> Environ | None:
        """The last that came with it, for forwards that a reload finds in its files."""
        return self._by_source.get(source)

    def made_of(self, sent: Mapping[str, str]) -> Environ:
        """What a request brought, with this daemon's own KFW_ variables. Raises UsageError.

        One that is known already is that one: hundreds of forwards of one shell hold one.
        """
        _check(sent)
        made = Environ({**self._daemons, **sendable(sent)})
        known = {id(one): one for one in (*self._by_source.values(), *self._by_row.values())}
        return next((one for one in known.values() if one == made), made)

    def put(self, rows: Iterable[RowId], environ: Environ, source: str = "") -> None:
        for row in rows:
            self._by_row[row] = environ
        if source:
            self._by_source[source] = environ

    def move(self, old: RowId, new: RowId) -> None:
        """The row is another project's from now on."""
        if old in self._by_row:
            self._by_row[new] = self._by_row.pop(old)

    def memory(self) -> list[tuple[Environ, list[RowId], list[str]]]:
        """Each that somebody sent, with the rows and the sources that have it: for the daemon after this one."""
        found: dict[int, tuple[Environ, list[RowId], list[str]]] = {}
        for row, one in self._by_row.items():
            found.setdefault(id(one), (one, [], []))[1].append(row)
        for source, one in self._by_source.items():
            found.setdefault(id(one), (one, [], []))[2].append(source)
        return list(found.values())

    def forget(self, rows: Iterable[RowId], sources: Iterable[str]) -> None:
        """These rows are down; `sources` are those that still have forwards up."""
        for row in rows:
            self._by_row.pop(row, None)
        kept = set(sources)
        self._by_source = {source: one for source, one in self._by_source.items() if source in kept}


def sendable(variables: Mapping[str, str]) -> dict[str, str]:
    """What goes with a request: all but what is the shell's own, kfw's own, or no text (JSON takes only that)."""
    return {
        name: value
        for name, value in variables.items()
        if name not in _OF_THE_SHELL
        and (name == _OF_A_FORWARD or not name.startswith(_OWN))
        and _is_text(name)
        and _is_text(value)
    }


def fitting(variables: Mapping[str, str]) -> dict[str, str]:
    """`sendable`, without the largest of them where all together are more than a daemon takes."""
    sent = sendable(variables)
    room, found = MOST_BYTES, set[str]()
    for name in sorted(sent, key=lambda name: _size(name, sent[name]))[:MOST]:
        room -= _size(name, sent[name])
        if room < 0 or len(sent[name].encode()) > LONGEST_VALUE:
            break
        if len(name) <= LONGEST_NAME:
            found.add(name)
    return {name: value for name, value in sent.items() if name in found}


def _size(name: str, value: str) -> int:
    return len(name) + len(value.encode())


def _check(sent: Mapping[str, str]) -> None:
    """The words have no value in them."""
    if len(sent) > MOST:
        raise UsageError(f"the environment has {len(sent)} variables, kfw accepts {MOST}")
    total = 0
    for name, value in sent.items():
        if not name or "=" in name or "\0" in name or len(name) > LONGEST_NAME:
            raise UsageError(
                "the environment has a variable whose name cannot be one", "names cannot have = or NUL"
            )
        if not (_is_text(name) and _is_text(value)):
            raise UsageError(f"the environment's variable {name!a} is not valid text")
        size = len(value.encode())
        if "\0" in value or size > LONGEST_VALUE:
            raise UsageError(
                f"the environment's variable {name!a} has a NUL, or more than {LONGEST_VALUE} bytes"
            )
        total += _size(name, value)
    if total > MOST_BYTES:
        raise UsageError(f"the environment has {total} bytes, kfw accepts {MOST_BYTES}")


def _is_text(value: str) -> bool:
    try:
        value.encode()
    except UnicodeEncodeError:  # bytes of another encoding: surrogates
        return False
    return True


def _is_secret(name: str, value: str) -> bool:
    """Not the path of a file that has one, nor a switch: these are in words that people need."""
    return is_secret_name(name) and len(value) >= 12 and not value.startswith(("/", "~")) and " " not in value


def _is_of_the_terminal(name: str) -> bool:
    return name in _OF_THE_SHELL or name in _OF_THE_TERMINAL or name.startswith((*_TERMINALS, _OWN))


def _digest(variables: Iterable[tuple[str, str]]) -> bytes:
    """A key that tells nothing of the values, and is another one in each process.

    By Python's own hash, whose seed is random: hashlib takes 0.7 MB that a daemon does without.
    """
    return hash(tuple(sorted(variables))).to_bytes(8, "big", signed=True)
