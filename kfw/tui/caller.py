"""What the app needs of who started it: handed in by the command, which knows files, environment and kubeconfigs."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from kfw.protocol import Source, UpRequest


@dataclass(frozen=True)
class NewForward:
    """What the dialog for a new forward asks for. `words` are those of `kfw add`; "" is the default."""

    words: tuple[str, ...]
    namespace: str = ""
    context: str = ""
    method: str = "auto"
    next_port: bool = False


@dataclass(frozen=True)
class Look:
    """What uiOptions say. `refresh`: seconds between two pictures of what changes by itself, as ages and rates do;
    `warning`: what is wrong with them, which is said in the app."""

    theme: str = "dark"
    refresh: float = 1.0
    warning: str = ""


@dataclass(frozen=True)
class Offers:
    """What can be forwarded. `targets`: `service/api` and its ports in words, such as `80 (http)`; `into_pods`: whether this
    user may forward to pods, without which only services are left, which may have node ports."""

    namespace: str
    targets: Mapping[str, Sequence[str]]
    into_pods: bool = True


@dataclass(frozen=True)
class Caller:
    """Its functions may take seconds and raise KfwError; they are called in threads.

    `project`: the key of the source of the caller's folder. `environ`: what goes with a request.
    """

    project: str
    environ: Mapping[str, str]
    source: Source
    preview: Callable[
        [Sequence[str]], tuple[str, int | None]
    ]  # what would come of these words, on which local port
    request: Callable[[NewForward], UpRequest]  # with a daemon that runs, where nothing of it is yet
    contexts: Callable[[], tuple[str, Sequence[str]]]  # the current one, and all
    targets: Callable[[str, str], Offers]  # of a context and a namespace, "" is the default
    log_tail: Callable[[str], Sequence[str]]  # the last lines about a forward
