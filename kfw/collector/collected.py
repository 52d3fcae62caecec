"""What was collected already: which buckets of a tenant are done, and of one that is not the workspaces that are.

One JSON file, replaced as a whole, so that whatever ends this process leaves the old one or the new.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec

from kfw.collector.usage_events import Bucket, Metrics, Workspace, rfc3339
from kfw.errors import KfwError, words_of
from kfw.system import files

#: Buckets of one length that are kept of a tenant; only the last one is ever asked about.
_KEPT = 10
_LARGEST = 64 << 20


class CollectedWorkspace(msgspec.Struct, rename="camel", frozen=True):
    name: str
    metrics: dict[str, int | float]


class CollectedBucket(msgspec.Struct, rename="camel", kw_only=True):
    """`workspaces` by id: complete ones of a bucket that is not done yet."""

    tenant: str
    start: str
    seconds: float
    done: bool = False
    workspaces: dict[str, CollectedWorkspace] = {}


class _File(msgspec.Struct, rename="camel"):
    version: int = 1
    buckets: list[CollectedBucket] = []


class CollectedRecord:
    """The record in `path`. Its methods that change it return when that is on the disk. All raise KfwError."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file = _read(path)

    def is_done(self, tenant: str, bucket: Bucket) -> bool:
        return self._of(tenant, bucket).done

    def workspaces(self, tenant: str, bucket: Bucket) -> dict[str, Metrics]:
        return {key: each.metrics for key, each in self._of(tenant, bucket).workspaces.items()}

    def add(self, tenant: str, bucket: Bucket, workspace: Workspace, metrics: Metrics) -> None:
        known = {name: value for name, value in metrics.items() if value is not None}
        self._of(tenant, bucket).workspaces[workspace.id] = CollectedWorkspace(workspace.name, known)
        self._save()

    def forget(self, tenant: str, bucket: Bucket) -> None:
        """As if nothing of it had been collected; written with the next change."""
        entry = self._of(tenant, bucket)
        entry.done, entry.workspaces = False, {}

    def finish(self, tenant: str, bucket: Bucket) -> None:
        entry = self._of(tenant, bucket)
        entry.done, entry.workspaces = True, {}
        alike = [one for one in self._file.buckets if (one.tenant, one.seconds) == (tenant, bucket.seconds)]
        old = sorted(alike, key=lambda one: one.start)[:-_KEPT]
        self._file.buckets = [one for one in self._file.buckets if one not in old]
        self._save()

    def _of(self, tenant: str, bucket: Bucket) -> CollectedBucket:
        start = rfc3339(bucket.start)
        for one in self._file.buckets:
            if (one.tenant, one.start, one.seconds) == (tenant, start, bucket.seconds):
                return one
        made = CollectedBucket(tenant=tenant, start=start, seconds=bucket.seconds, workspaces={})
        self._file.buckets.append(made)
        return made

    def _save(self) -> None:
        files.write_atomic(self._path, msgspec.json.format(msgspec.json.encode(self._file)) + b"\n")


@contextmanager
def open_record(path: Path) -> Iterator[CollectedRecord]:
    """Locked for as long as it is open. Raises KfwError: Locked, naming who has it, or because it cannot be read."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    except OSError as error:
        raise KfwError(f"cannot make {path.parent}: {words_of(error)}") from error
    with files.lock(path.with_name(f"{path.name}.lock"), f"the collector's record {path}"):
        yield CollectedRecord(path)


def _read(path: Path) -> _File:
    """What cannot be understood stays where it is: to collect everything again is for the user to decide."""
    try:
        data = files.read_bounded(path, _LARGEST)
    except FileNotFoundError:
        return _File(buckets=[])
    except OSError as error:
        raise KfwError(f"cannot read {path}: {words_of(error)}") from error
    try:
        raw = msgspec.json.decode(data)
        if isinstance(raw, dict) and "version" not in raw and "tenant_checkpoints" in raw:
            return _File(buckets=[])  # kportforward's, which knows one bucket of all tenants: no help here
        return msgspec.convert(raw, _File)
    except msgspec.MsgspecError as error:
        fix = "move it away to collect the last stretch of time again"
        raise KfwError(f"cannot understand {path}: {words_of(error)}", fix) from error
