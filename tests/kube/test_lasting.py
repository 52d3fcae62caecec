"""A watch ends only when its owner ends it; what cannot be read is said, and read when it can be."""

import asyncio
import errno
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

import msgspec
import pytest

from kfw.kube import dial, watch
from kfw.kube import resource as r
from kfw.kube.api_connection import BURST, RATE, ApiConnection, PacedReading, ProcessorShare
from kfw.kube.api_server import ApiServer
from kfw.kube.decoder import Decoder
from kfw.kube.login import Login
from kfw.kube.timeouts import Timeouts
from kfw.kube.watch import Watch
from kfw.kubeconfig.entries import Access, ClusterEntry, Pem, UserEntry
from kfw.model import Reason
from kfw.target.registry import decoder
from tests.kube.certificates import pair, server_context
from tests.kube.fake_api import serving, status
from tests.kube.test_watch import QUICK, knows, watching
from tests.kube.wire import PODS, pod
from tests.until import until

pytestmark = pytest.mark.asyncio


@asynccontextmanager
async def watching_at(
    url: str, user: UserEntry, timeouts: Timeouts = QUICK
) -> AsyncIterator[tuple[Watch, ApiServer]]:
    access = Access("dev", ClusterEntry("dev", url, insecure=url.startswith("https")), user)
    server = ApiServer(access, Login(access), timeouts, lambda: None)
    made = Watch(server, r.PODS, "shop", decoder(r.PODS))
    tasks = [asyncio.create_task(server.run()), asyncio.create_task(made.run())]
    try:
        yield made, server
        assert not any(task.done() for task in tasks)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


@pytest.mark.parametrize(
    ("url", "user"),
    [
        ("https://127.0.0.1:1", UserEntry("ada")),
        ("https://127.0.0.1:1/with blank", UserEntry("ada")),
        ("https://no-such-host.invalid", UserEntry("ada")),
        ("https://127.0.0.1:{port}", UserEntry("ada", token="two\nlines")),
        ("https://127.0.0.1:{port}", UserEntry("ada", impersonate=(("Impersonate-User", "a\x00b"),))),
        ("https://127.0.0.1:{port}", UserEntry("ada", certificate=Pem(data=b"none"), key=Pem(data=b"none"))),
        ("http://127.0.0.1:{port}", UserEntry("ada")),
    ],
)
async def test_whatever_a_kubeconfig_holds_the_watch_lives_and_says_why(url: str, user: UserEntry) -> None:
    """What can be told from its text alone never comes so far: tests/kubeconfig."""
    async with serving(server_context(pair("kfw-test", "127.0.0.1"))) as api:
        async with watching_at(url.format(port=api.port), user) as (one, server):
            await until(lambda: one.problem or server.problem or one.synced, 5)
            problem = one.problem or server.problem
            assert one.synced or (problem and problem.message)
            assert not problem or not {"two", "lines"} & set(problem.message.split())


FAULTS: list[tuple[Any, str, Exception]] = [
    (dial, "dial", OSError(errno.EMFILE, "Too many open files")),
    (dial, "dial", OverflowError("port must be 0-65535")),
    (dial, "dial", RuntimeError("what nobody has thought of")),
    (ApiConnection, "get", RecursionError("maximum recursion depth exceeded")),
    (ApiConnection, "get", AssertionError()),
    (Decoder, "page", KeyError("x")),
    (Decoder, "change", ZeroDivisionError()),
    (Decoder, "item", MemoryError()),
    (Timeouts, "pause", TypeError("x")),
]


@pytest.mark.parametrize(("owner", "name", "error"), FAULTS, ids=lambda value: str(value)[:30])
async def test_after_any_exception_the_watch_goes_on_and_a_poke_tries_at_once(
    owner: Any, name: str, error: Exception, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: Any, **__: Any) -> Any:
        raise error

    async with serving() as api:
        await api.put(PODS, pod("a"))
        with monkeypatch.context() as patch:
            patch.setattr(owner, name, broken)
            async with watching(api) as (one, server):
                await until(lambda: api.asked(PODS) or one.problem or server.problem, 5)
                await api.put(PODS, pod("b"))
                if name != "change":
                    await until(lambda: one.problem or server.problem or name == "pause", 5)
                await asyncio.sleep(0.6)  # so that it waits in a pause
                patch.undo()
                server.poke()
                await until(knows(one, "a", "b"), 2)
                await until(lambda: one.problem is None and server.problem is None, 2)


async def test_a_listener_that_fails_ends_no_watch() -> None:
    async with serving() as api:
        async with watching(api) as (one, server):
            await until(lambda: one.synced)

            def fails() -> None:
                raise KeyError("a listener's own mistake")

            one.listeners.add(fails)
            await api.put(PODS, pod("a"))
            await until(lambda: "a" in one.objects)
            one.listeners.discard(fails)
            server.poke()
            await until(lambda: one.problem is None and one.synced)
            await api.put(PODS, pod("b"))
            await until(knows(one, "a", "b"))


async def test_a_server_whose_lists_are_closed_while_its_version_answers_is_told() -> None:
    async with serving() as api:
        api.answers[PODS].extend([(200, b"<html>")] * 1000)
        async with watching(api) as (one, server):
            await until(lambda: one.problem)
            assert one.problem and one.problem.reason is Reason.CLUSTER_UNREACHABLE
            assert "a web page (HTML)" in one.problem.message
            api.answers.clear()
            server.poke()
            await until(lambda: one.readable)


async def test_where_lists_come_and_watches_do_not_changes_are_seen_by_lists() -> None:
    async with serving() as api:
        await api.put(PODS, pod("a"))
        api.oldest = 0
        refusal = (500, status(500, "InternalError", "no watches today"))

        async def refuse_watches() -> None:
            while True:
                if not api.answers[PODS]:
                    asked = len(api.asked(PODS, watch=False))
                    await until(lambda asked=asked: len(api.asked(PODS, watch=False)) > asked)
                    api.answers[PODS].append(refusal)
                await asyncio.sleep(0)

        refusing = asyncio.create_task(refuse_watches())
        try:
            async with watching(api) as (one, _):
                await until(knows(one, "a"))
                await api.put(PODS, pod("b"))
                await until(knows(one, "a", "b"))
                assert one.problem is None
        finally:
            refusing.cancel()
            await asyncio.gather(refusing, return_exceptions=True)


async def test_a_retry_does_not_wait_for_an_answer_that_does_not_come() -> None:
    async with serving() as api:
        await api.put(PODS, pod("a"))
        api.hold(PODS)
        async with watching(api, replace(QUICK, answer=1000, late=0.1, idle_before_probe=1000)) as (
            one,
            server,
        ):
            await until(lambda: api.asked(PODS))
            await asyncio.sleep(0.2)
            held, api._held = api._held, {}
            server.poke()
            await until(knows(one, "a"))
            for event in held.values():
                event.set()


# -- bounds


async def test_a_page_that_is_too_large_is_asked_for_in_smaller_ones() -> None:
    async with serving() as api:
        big = {"big": "x" * 500_000}
        pods = [{**pod(f"p{number}"), "spec": {**pod("p")["spec"], "note": big}} for number in range(40)]
        await api.put(PODS, *pods)
        async with watching(api, Timeouts()) as (one, _):
            await until(lambda: one.synced)
            assert len(one.objects) == 40
        limits = [int(request.query["limit"]) for request in api.asked(PODS, watch=False)]
        assert limits[0] == watch.PAGE and limits[-1] < 16


async def test_more_objects_than_kfw_keeps_are_a_problem_that_says_what_to_do(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(watch, "MOST_OBJECTS", 10)
    async with serving() as api:
        await api.put(PODS, *(pod(f"p{number}") for number in range(11)))
        async with watching(api) as (one, server):
            await until(lambda: one.problem)
            assert one.problem
            assert one.problem.message.startswith("too many pods in namespace shop to follow: 11")
            assert "method kubectl" in one.problem.fix
            await api.delete(PODS, "p0")
            server.poke()
            await until(lambda: one.readable)
            await api.put(PODS, pod("p0"))
            await until(lambda: one.problem)


async def test_the_event_loop_is_not_held_while_much_is_read() -> None:
    items = [pod(f"p{number}") for number in range(5000)]
    body = msgspec.json.encode({"kind": "PodList", "metadata": {"resourceVersion": "1"}, "items": items})
    held, last = 0.0, time.thread_time()  # of this thread: another program may have the processor meanwhile
    reading = PacedReading(ProcessorShare())
    one = decoder(r.PODS)

    async def look() -> None:
        nonlocal held, last
        while True:
            now = time.thread_time()
            held, last = max(held, now - last), now
            await asyncio.sleep(0)

    looking = asyncio.create_task(look())
    await asyncio.sleep(0)
    for raw in one.page(body).items:
        one.item(raw)
        await reading.pause_when_due()
    looking.cancel()
    await asyncio.gather(looking, return_exceptions=True)
    assert held < 0.05


class _Counting(ProcessorShare):
    """Takes any number of seconds, and knows how many."""

    taken = 0.0

    def take(self, seconds: float) -> float:
        self.taken += seconds
        return 0.0


async def test_what_is_read_page_by_page_counts_as_much_as_if_it_came_at_once() -> None:
    items = [pod(f"p{number}") for number in range(5000)]
    one, began = decoder(r.PODS), time.thread_time()
    for raw in one.page(msgspec.json.encode({"metadata": {}, "items": items})).items:
        one.item(raw)
    at_once = time.thread_time() - began
    async with serving() as api:
        for item in items:
            await api.put(PODS, item)
        async with watching_at(api.url, UserEntry("ada")) as (pods, server):
            server._share = share = _Counting()
            await until(lambda: pods.readable, 30)
            assert len(pods.objects) == len(items)
    assert share.taken > 0.75 * at_once, f"{share.taken:.3f} s of {at_once:.3f}"


async def test_a_server_gets_its_share_of_the_processor_and_no_more() -> None:
    now = 0.0
    share = ProcessorShare(lambda: now)
    assert share.take(BURST) == 0.0, "a burst is free"
    assert share.take(0.1) == pytest.approx(0.1 / RATE)
    now += 0.1 / RATE
    assert share.take(0.0) == pytest.approx(0.0)
    now += 1000
    assert share.take(BURST) == pytest.approx(0.0)
    assert share.take(0.01) > 0
