"""A runner as people and programs see it: ForwardStatus, and the log line that says what changed."""

import logging
import re
from typing import cast

from kfw.methods.base import Tunnel, Warns
from kfw.model import SERVING, Endpoint, Forward, Problem, Status
from kfw.protocol import EndpointInfo, ForwardStatus
from kfw.short_paths import with_short_paths
from kfw.supervisor.fixes import sentence
from kfw.supervisor.forward_path import ForwardPath
from kfw.supervisor.machine import status_of
from kfw.supervisor.runner import Runner
from kfw.system.clock import rfc3339

#: A word with a digit in it: a count, a time, an address, the name of a pod.
_NUMBERED = re.compile(r"\S*\d\S*")


class Row:
    """One forward in the daemon's list. Remembers since when it has its status; lives on when it is stopped."""

    def __init__(self, forward: Forward, runner: Runner | None, now: float, epoch: int = 0) -> None:
        """`epoch`: of its start, see ForwardStatus."""
        self._started, self._epoch = rfc3339(now), epoch
        self.forward = forward
        self.runner = runner
        self.status = Status.STARTING if runner else Status.STOPPED
        self.problem: Problem | None = None
        self._since = rfc3339(now)
        self.up_since: float | None = None
        self._carried: ForwardPath | None = None  # what it was, for its counts

    def observe(self, now: float) -> None:
        """Take over the runner's present status; `now` is wall clock, seconds."""
        if self.runner is None:
            return
        status = status_of(self.runner.now)
        self.problem = self.runner.now.problem or self.runner.now.api_problem
        if status != self.status:
            self.status, self._since = status, rfc3339(now)
        if status not in SERVING:
            self.up_since = None
        elif self.up_since is None:
            self.up_since = now

    def end(self, status: Status, problem: Problem | None, now: float) -> None:
        self._carried = self.runner.path if self.runner else self._carried
        self.runner, self.status, self.problem, self.up_since = None, status, problem, None
        self._since = rfc3339(now)

    def report(self, now: float, shown: str) -> ForwardStatus:
        """`shown`: what it is called where people read it."""
        forward, runner = self.forward, self.runner
        path = runner.path if runner else None
        active = path.active if path and self.status in SERVING else None
        counts = path or self._carried
        listener = counts.listener if counts else None
        port = path.port if path else forward.local_port
        serving = self.status in SERVING
        return ForwardStatus(
            name=forward.name,
            project=forward.source,
            display_name=shown,
            profile=forward.profile,
            status=self.status,
            reason=self.problem.reason if self.problem else None,
            message=with_short_paths(sentence(forward, self.problem))
            or (_warning(active.tunnel) if active else ""),
            context=forward.context,
            namespace=forward.namespace,
            target=str(forward.target),
            target_port=forward.target_port,
            method=active.method.name if active else forward.method,
            local_addresses=list(path.addresses) if path else [],
            local_names=list(path.names) if path else [],
            local_port=port,
            configured_port=forward.local_port,
            url=url(forward, port, path.names[0] if path and path.names else "localhost")
            if serving
            else None,
            endpoint=_endpoint(active.tunnel.endpoint) if active else None,
            pid=active.tunnel.pid if active else None,
            restarts=counts.restarts if counts else 0,
            since=self._since,
            started_at=self._started,
            epoch=self._epoch,
            uptime_seconds=round(now - self.up_since, 3) if self.up_since is not None else 0.0,
            next_attempt_at=rfc3339(runner.next_attempt) if runner and runner.next_attempt else None,
            connections=listener.connections if listener and path else 0,
            total_connections=listener.total_connections if listener else 0,
            lost_connections=counts.lost_connections if counts else 0,
            bytes_in=listener.bytes_in if listener else 0,
            bytes_out=listener.bytes_out if listener else 0,
        )


def url(forward: Forward, port: int, host: str = "localhost") -> str:
    """http for what people open in a browser or call as REST; host:port for the rest."""
    secure = forward.target_port in (443, 8443, "https")
    if forward.type in ("web", "rest") or secure:
        return f"{'https' if secure else 'http'}://{host}:{port}"
    return f"{host}:{port}"


def line(status: ForwardStatus) -> str:
    """One line for the log: what it is now, by which method, and why."""
    parts = [f"{status.shown}: {status.status.value}"]
    if status.endpoint:
        end = status.endpoint
        parts.append(f"via {status.method} to {end.kind} {end.name}:{end.port}")
    if status.reason:
        parts.append(f"({status.reason.value}) {status.message}")
    if status.next_attempt_at:
        parts.append(f"next attempt at {status.next_attempt_at}")
    return " ".join(parts)


def level_of(status: ForwardStatus, *, same: bool) -> int:
    """Of its log line. `same`: it was told before."""
    if same:
        return logging.DEBUG  # only the time of the next attempt has changed
    return logging.WARNING if status.status is Status.ERROR else logging.INFO


def news_of(status: ForwardStatus) -> tuple[object, ...]:
    """What is told when it changes, as is a planned attempt. A count, a time or a pod's name in the sentence is not news,
    unless it says what a person has to do."""
    needs_person = status.reason is not None and status.reason.traits.needs_person
    words = status.message if needs_person else _NUMBERED.sub("#", status.message)
    return status.status, status.reason, status.endpoint, status.local_port, words


def _warning(tunnel: Tunnel) -> str:
    """`isinstance` of a protocol takes as long as all the rest of a report, of which there are many."""
    return cast(Warns, tunnel).warning if hasattr(tunnel, "warning") else ""


def _endpoint(endpoint: Endpoint) -> EndpointInfo:
    return EndpointInfo(endpoint.kind, endpoint.name, endpoint.address, endpoint.port)
