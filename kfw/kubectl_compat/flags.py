"""kubectl's command line, read as kubectl reads it (spf13/pflag): options anywhere, none of kubectl's is unknown. Pure."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from kfw.kubectl_compat import go_parse
from kfw.kubectl_compat.messages import misuse, usage
from kfw.secret import Secret

#: `kubectl options` and `kubectl port-forward --help` of 1.32 to 1.34, by what reads the value.
_TEXTS = (
    "as", "as-uid", "cache-dir", "certificate-authority", "client-certificate", "client-key", "cluster", "context",
    "kubeconfig", "kuberc", "namespace", "password", "profile", "profile-output", "request-timeout", "server",
    "tls-server-name", "token", "user", "username", "vmodule",
)  # fmt: skip
_LISTS = ("address", "as-group", "as-user-extra")
_SWITCHES = (
    "disable-compression", "help", "insecure-skip-tls-verify", "match-server-version", "warnings-as-errors",
)  # fmt: skip
_READERS: Mapping[str, Callable[[str], Any]] = {
    **dict.fromkeys((*_TEXTS, *_LISTS), str),
    **dict.fromkeys(("token", "password"), Secret),
    **dict.fromkeys(_SWITCHES, go_parse.truth),
    **dict.fromkeys(("pod-running-timeout", "log-flush-frequency"), go_parse.duration),
    "v": go_parse.whole,
}
_SHORT = {"h": "help", "n": "namespace", "s": "server", "v": "v"}

#: kubectl's, in seconds.
POD_RUNNING_TIMEOUT = 60.0


@dataclass(frozen=True)
class Arguments:
    """`options` are those that were given, by their long name; lists are tuples."""

    target: str
    ports: tuple[str, ...]
    addresses: tuple[str, ...] = ("localhost",)
    pod_running_timeout: float = POD_RUNNING_TIMEOUT
    options: Mapping[str, Any] = field(default_factory=dict)

    def text(self, name: str) -> str:
        """Of a token or a password it is a Secret."""
        found = self.options.get(name, "")
        return found if isinstance(found, str) else str(found)


def parse(argv: Sequence[str]) -> Arguments | None:
    """None: help is asked for. Raises KubectlError."""
    words, options = _split(argv)
    if options.get("help"):
        return None
    if len(words) < 2:
        raise usage("TYPE/NAME and list of ports are required for port-forward")
    return Arguments(
        target=words[0],
        ports=tuple(words[1:]),
        addresses=options.get("address", ("localhost",)),
        pod_running_timeout=options.get("pod-running-timeout", POD_RUNNING_TIMEOUT),
        options=options,
    )


def check_timeouts(arguments: Arguments) -> None:
    """What kubectl checks only when it has read the kubeconfig. Raises KubectlError."""
    if arguments.pod_running_timeout <= 0:
        raise usage("--pod-running-timeout must be higher than zero")


def _split(argv: Sequence[str]) -> tuple[list[str], dict[str, Any]]:
    words: list[str] = []
    options: dict[str, Any] = {}
    rest = iter(argv)
    for argument in rest:
        if argument == "--":
            words += rest
        elif argument.startswith("--"):
            _long(argument, rest, options)
        elif argument.startswith("-") and argument != "-":
            _shorts(argument, rest, options)
        else:
            words.append(argument)
    return words, options


def _long(argument: str, rest: Iterator[str], options: dict[str, Any]) -> None:
    name, equals, value = argument[2:].partition("=")
    if not name or name.startswith("-"):
        raise misuse(f"bad flag syntax: {argument}")
    if name not in _READERS:
        raise misuse(f"unknown flag: --{name}")
    if not equals:
        value = "true" if name in _SWITCHES else _next(rest, f"flag needs an argument: --{name}")
    _set(options, name, value, f"--{name}")


def _shorts(argument: str, rest: Iterator[str], options: dict[str, Any]) -> None:
    """`-n demo`, `-ndemo` and `-n=demo`; of the short ones only -h can be followed by others."""
    letters = argument[1:]
    while letters:
        letter, letters = letters[0], letters[1:]
        if letter not in _SHORT:
            raise misuse(f"unknown shorthand flag: '{letter}' in {argument}")
        name = _SHORT[letter]
        if len(letters) > 1 and letters[0] == "=":
            value, letters = letters[1:], ""
        elif name in _SWITCHES:
            value = "true"
        elif letters:
            value, letters = letters, ""
        else:
            value = _next(rest, f"flag needs an argument: '{letter}' in {argument}")
        _set(options, name, value, f"-{letter}, --{name}")


def _next(rest: Iterator[str], missing: str) -> str:
    value = next(rest, None)
    if value is None:
        raise misuse(missing)
    return value


def _set(options: dict[str, Any], name: str, value: str, called: str) -> None:
    if name in _LISTS:
        options[name] = (*options.get(name, ()), *(value.split(",") if value else ()))
        return
    try:
        options[name] = _READERS[name](value)
    except ValueError as error:
        raise misuse(f'invalid argument "{value}" for "{called}" flag: {error}') from error
