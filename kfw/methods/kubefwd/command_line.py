"""kubefwd's command line by version, the addresses that it is told to use, and the line that lets sudo run it. Pure.

Facts: kubefwd's sources (cmd/kubefwd/services, pkg/fwdip, pkg/fwdport), 1.22.5 to 1.25.16.
"""

import json
import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import NamedTuple
from zlib import crc32

HOSTS = "/etc/hosts"
#: How long kubefwd waits for a pod of a service that has none, where it can be told; its own choice is 10 s.
RETRY_INTERVAL = "5s"
#: The second number of the addresses 127.N.27.x, one for each kubefwd. Its own choice is 1, its API has 2.
BASES = range(10, 250)
#: The last number of an address that is reserved for a service: kubefwd counts up from 1 for those that have none.
_RESERVED = range(100, 255)


class KubefwdVersion(NamedTuple):
    major: int
    minor: int
    patch: int

    def __str__(self) -> str:
        return ".".join(map(str, self))


#: What is older lacks flags that are needed here, and nobody has looked at it.
OLDEST = KubefwdVersion(1, 22, 0)
_HAS_RETRY_INTERVAL = KubefwdVersion(1, 23, 2)
_HAS_AUTO_RECONNECT = KubefwdVersion(1, 24, 0)
_VERSION = re.compile(r"(?<![\d.])v?(\d{1,4})\.(\d{1,4})\.(\d{1,4})")


def version_of(said: str) -> KubefwdVersion | None:
    """Of what `kubefwd version quiet` prints; older ones say more than the number."""
    found = _VERSION.search(said)
    return KubefwdVersion(*map(int, found.groups())) if found else None


@dataclass(frozen=True)
class ServiceSelection:
    """What one kubefwd is to forward. `services`: those that are expected; of one alone it forwards no other.

    `namespaces`: in order, as the names without a namespace are those of the first. `labels`: all must hold.
    `excluded`: names, patterns expanded. `kubeconfig`: files; () is kubectl's own choice.
    """

    context: str
    namespaces: tuple[str, ...]
    services: frozenset[str] = frozenset()
    labels: tuple[str, ...] = ()
    excluded: tuple[str, ...] = ()
    kubeconfig: tuple[str, ...] = ()


def argv(
    binary: str, version: KubefwdVersion, wanted: ServiceSelection, reservations: str, hosts: str = HOSTS
) -> list[str]:
    """`reservations`: the file for -z. Never --tui (it needs a terminal and hides what is said), never -p (it removes the
    names of others), no API: its address is the same for all of a machine."""
    line = [binary, "svc"]
    for namespace in wanted.namespaces:
        line += ["-n", namespace]
    if wanted.context:
        line += ["-x", _one(wanted.context)]
    if len(wanted.kubeconfig) == 1:
        line += ["-c", wanted.kubeconfig[0]]
    if wanted.labels:  # of several -l or -f the last would win
        line += ["-l", ",".join(wanted.labels)]
    if chosen := fields(wanted):
        line += ["-f", chosen]
    line += ["-z", reservations]
    if version >= _HAS_RETRY_INTERVAL:
        line += ["--retry-interval", RETRY_INTERVAL]
    if version >= _HAS_AUTO_RECONNECT:
        line += ["-a"]
    return line + ([] if hosts == HOSTS else ["--hosts-path", hosts])


def fields(wanted: ServiceSelection) -> str:
    """The field selector; "": all services of the namespaces. kubefwd cannot choose several by name."""
    if wanted.excluded:
        return ",".join(f"metadata.name!={name}" for name in wanted.excluded)
    alone = len(wanted.services) == 1 and len(wanted.namespaces) == 1 and not wanted.labels
    return f"metadata.name={next(iter(wanted.services))}" if alone else ""


def _one(value: str) -> str:
    """Of a flag that is a list of comma-separated values, read as CSV."""
    return '"' + value.replace('"', '""') + '"' if re.search(r'[,"\n]', value) else value


# -- addresses


def base_for(name: str, taken: Collection[int]) -> int:
    """The same for the same name wherever it can be, so that a restart changes no address. LookupError: none is left."""
    free = _draw(name, BASES, taken)
    if free is None:
        raise LookupError(f"all {len(BASES)} ranges of addresses are taken")
    return free


def address_for(base: int, service: str, namespace: str, taken: Collection[str]) -> str:
    """The same for the same service wherever it can be; "" where there are more than can be reserved."""
    numbers = {int(address.rpartition(".")[2]) for address in taken}
    number = _draw(f"{service}.{namespace}", _RESERVED, numbers)
    return f"127.{base}.27.{number}" if number is not None else ""


def _draw(name: str, numbers: range, taken: Collection[int]) -> int | None:
    start = crc32(name.encode()) % len(numbers)
    ordered: list[int] = [*numbers[start:], *numbers[:start]]
    return next((number for number in ordered if number not in taken), None)


def reservations(base: int, addresses: Sequence[tuple[str, str, str]]) -> str:
    """The file for -z: (service, namespace, address). The keys are those that the code reads, not the documentation's."""
    lines = [f"baseUnreservedIP: 127.{base}.27.1", f"serviceConfigurations:{'' if addresses else ' []'}"]
    for service, namespace, address in addresses:
        lines += [f"- name: {json.dumps(f'{service}.{namespace}')}", f"  ip: {address}"]
    return "\n".join(lines) + "\n"


def names_of(service: str, namespace: str, context: str, *, in_first: bool) -> tuple[str, ...]:
    """What kubefwd writes into the hosts file beside the address of a service. `in_first`: of the first namespace."""
    full = f"{service}.{namespace}"
    bare = (service,) if in_first else ()
    local = (full, f"{full}.svc", f"{full}.svc.cluster.local")
    of_context = tuple(f"{full}{part}.{context}" for part in ("", ".svc", ".svc.cluster")) if context else ()
    return bare + local + of_context


# -- root


def sudoers_line(user: str, program: str) -> str:
    """For a file in /etc/sudoers.d, which kfw never writes. What sudoers(5) gives a meaning is escaped."""
    return f"{_escaped(user)} ALL=(root) NOPASSWD: {_escaped(program)}"


def _escaped(text: str) -> str:
    return re.sub(r"([^\w./-])", r"\\\1", text)
