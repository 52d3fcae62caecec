"""What one fault did to one way of reaching the pods: the figures of a run, as they are kept in build/chaos/*.json."""

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path

#: kfw's own, one forward each, all in one daemon.
METHODS = ("tunnel", "nodeport", "socat", "kubectl")
#: Beside them in the same run: `kubectl port-forward`, which nobody starts again, and a node's own port.
PLAIN_KUBECTL, BARE = "plain-kubectl", "bare-node-port"
RIVALS = (PLAIN_KUBECTL, BARE)


@dataclass(frozen=True, kw_only=True)
class Cell:
    """Times in seconds, memory in MB."""

    fault: str
    method: str
    #: New connections: all, and those that had no answer within their patience.
    tried: int
    failed: int
    #: Of the failed: no process listened, so nobody can have counted it; the client left after its patience.
    refused: int = 0
    late: int = 0
    #: The longest time in which no new connection was answered.
    quiet: float = 0.0
    #: From the fault's end to the next answer (0: there was no gap), and to the last connection that failed.
    back: float = 0.0
    clean: float = 0.0
    #: Live connections that were reset, closed or silent for too long.
    live_lost: int = 0
    #: The longest time of status `active` in which every new connection failed.
    active_in_vain: float = 0.0
    #: Connections, new or live, that were reset or closed under the client, and those that kfw counts as lost.
    lost: int = 0
    counted: int = 0
    #: Why a person has to do something 15 s after the end of the fault; "": no need.
    hand: str = ""
    #: New connections that failed in the last seconds, when the fault was over for so long.
    failed_at_last: int = 0
    tried_at_last: int = 0
    #: Of these the bare node port's: the cluster itself is not well yet.
    bare_failed_at_last: int = 0
    rss_before: float = 0.0
    rss_after: float = 0.0
    #: Open descriptors without a client; connections to the API server are the links.
    files_before: int = 0
    files_after: int = 0
    links_before: int = 0
    links_after: int = 0
    #: `quiet` and `failed` of the bare node port in the same seconds; None: not to be compared, as the pods are not well.
    bare_quiet: float | None = None
    bare_failed: int | None = None
    #: New connections a second.
    rate: float = 30.0
    #: By how many seconds the clients themselves were late.
    lag: float = 0.0
    #: The daemon ended, so it has forgotten what it had counted.
    daemon_ended: bool = False
    #: The daemon had far more connections than the clients of the load.
    crowd: bool = False
    note: str = ""

    @property
    def ours(self) -> bool:
        return self.method in METHODS


def write(file: Path, cells: Iterable[Cell]) -> None:
    """One line each."""
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text("".join(json.dumps(asdict(cell)) + "\n" for cell in cells))


def read(file: Path) -> list[Cell]:
    return [Cell(**json.loads(line)) for line in file.read_text().splitlines()]
