"""What each kind of event of a history does to the cluster, the network, the clients and the forward."""

import asyncio
from collections.abc import Callable
from itertools import count
from typing import Any

from kfw.supervisor.runner import Runner
from tests.supervisor.interleave.client import Client
from tests.supervisor.interleave.cluster import Cluster
from tests.supervisor.interleave.history import Event
from tests.supervisor.interleave.pipes import ListeningSocket


class Acts:
    """`watch_ended`: a watch has ended by a cancellation from inside; `ended_from_inside`: that, or a dial."""

    def __init__(self, loop: asyncio.AbstractEventLoop, cluster: Cluster, port: ListeningSocket) -> None:
        self.cluster = cluster
        self.clients: list[Client] = []
        self.watch_ended = self.ended_from_inside = False
        self.runner: Runner
        self._loop = loop
        self._port = port
        self._names = count(1)

    def happen(self, event: Event) -> None:
        _ACTS[event.what](self, event)

    def _seen(self, event: Event) -> None:
        self.cluster.notice(event.lag)

    def _pod_comes(self, event: Event) -> None:
        self.cluster.truth.pods[f"web-{next(self._names)}"] = event.how
        self._seen(event)

    def _pod_goes(self, event: Event) -> None:
        if pod := _which(list(self.cluster.truth.pods), event):
            del self.cluster.truth.pods[pod]
            self._break_links({pod}, event)
        self._seen(event)

    def _pods_are_replaced(self, event: Event) -> None:
        pods = self.cluster.truth.pods
        gone = set(pods)
        self.cluster.truth.pods = {f"web-{next(self._names)}": does for does in pods.values()}
        self._break_links(gone, event)
        self._seen(event)

    def _break_links(self, pods: set[str], event: Event) -> None:
        if event.how == "its links break":
            for pipe, node in self.cluster.links:
                if node.pod in pods:
                    pipe.fail(ConnectionResetError("connection reset by peer"))

    def _pod_changes(self, event: Event) -> None:
        if pod := _which(list(self.cluster.truth.pods), event):
            self.cluster.truth.pods[pod] = event.how

    def _api(self, event: Event) -> None:
        truth = self.cluster.truth
        match event.what:
            case "service":
                truth.service = event.how == "there"
            case "api":
                truth.api = event.how == "there"
            case "login":
                truth.login, truth.watch_lives_on = (
                    event.how == "works",
                    event.how != "fails, and the watch ends",
                )
            case "rights":
                truth.rights = event.how == "given"
            case "may list":
                truth.may_list = event.how == "yes"
            case "kubeconfig":
                truth.kubeconfig = event.how == "there"
            case "the kubeconfig names another cluster":
                truth.cluster = 3 - truth.cluster
                truth.pods = {f"web-{next(self._names)}": does for does in truth.pods.values()}
            case "another user":
                truth.user = "eve" if truth.user == "ada" else "ada"
        self._seen(event)

    def _dials(self, event: Event) -> None:
        self.cluster.truth.dials = event.how
        self.ended_from_inside = self.ended_from_inside or event.how == "end from inside"

    def _link(self, event: Event) -> None:
        links = [(pipe, node) for pipe, node in self.cluster.links if not pipe.lost]
        if not links:
            return
        pipe, node = links[event.which % len(links)]
        match event.how:
            case "breaks":
                pipe.fail(ConnectionResetError("connection reset by peer"))
            case "is silent":
                pipe.be_silent()
            case "speaks":
                pipe.speak()
            case "goes away":
                node.goaway()

    def _client(self, event: Event) -> None:
        if event.how.startswith("knocks"):
            self.knock(b"hello" if event.how == "knocks and speaks" else b"")
        elif client := _which([client for client in self.clients if client.is_there], event):
            client.do(event.how)

    def knock(self, says: bytes) -> Client:
        client = Client(self._loop, self._port, says)
        self.clients.append(client)
        return client

    def _user(self, event: Event) -> None:
        runner = self.runner
        acts = {
            "retry": runner.retry,
            "restart": runner.restart,
            "doubt": runner.recheck,
            "look again": runner.look_again,
        }
        acts[event.how]()

    def _watch(self, event: Event) -> None:
        self.watch_ended = self.ended_from_inside = True
        self.cluster.end_watch()

    def _time(self, event: Event) -> None: ...


_ACTS: dict[str, Callable[[Acts, Event], None]] = {
    "a pod comes": Acts._pod_comes,
    "a pod goes": Acts._pod_goes,
    "all pods are replaced": Acts._pods_are_replaced,
    "a pod changes": Acts._pod_changes,
    **dict.fromkeys(
        (
            "service",
            "api",
            "login",
            "rights",
            "may list",
            "kubeconfig",
            "the kubeconfig names another cluster",
            "another user",
        ),
        Acts._api,
    ),
    "dials": Acts._dials,
    "a link": Acts._link,
    "a client": Acts._client,
    "user": Acts._user,
    "the watch": Acts._watch,
    "time": Acts._time,
}


def _which(some: list[Any], event: Event) -> Any:
    return some[event.which % len(some)] if some else None
