"""Logins that need a person: what a plugin says is told while it runs, and it is begun only while somebody waits."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import pytest

from kfw.errors import KfwError, LoginError
from kfw.kube import plugin_run
from kfw.kube.api_session import ServerLogin
from kfw.kube.exec_plugin import PluginStatus, Told
from kfw.kube.login import Login
from kfw.kubeconfig.entries import Exec, UserEntry
from kfw.model import Reason
from tests.kube.test_login import Clock, access
from tests.stopwatch import Stopwatch
from tests.until import until

pytestmark = pytest.mark.asyncio

DEVICE_CODE = b"To sign in, open https://login.example/device and enter the code ABCD-EFGH\n"


class Person:
    """A plugin that prints a device code, and waits until somebody has typed it in (`done`)."""

    def __init__(self, said: bytes = DEVICE_CODE) -> None:
        self.runs = 0
        self.running = 0
        self.said = said
        self.silent = False  # it has a session that it need ask nobody for
        self.fails: KfwError | None = None
        self.done = asyncio.Event()

    async def __call__(self, *_: object, told: Told, **__: object) -> PluginStatus:
        self.runs += 1
        self.running += 1
        try:
            if not self.silent:
                if self.said:
                    told(self.said)
                await self.done.wait()
            if self.fails:
                raise self.fails
            return PluginStatus(token=f"token-{self.runs}")
        finally:
            self.running -= 1


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(plugin_run, "ALONE", 0.3)
    monkeypatch.setattr(plugin_run, "PERSON", 1.0)
    monkeypatch.setattr(plugin_run, "QUIET", 0.05)
    monkeypatch.setattr(plugin_run, "SILENT", 0.05)
    monkeypatch.setattr(plugin_run, "INTERVAL", 0.01)


def login_by(plugin: Callable[..., Awaitable[PluginStatus]], clock: Clock | None = None) -> ServerLogin:
    user = UserEntry("ada", exec=Exec("client.authentication.k8s.io/v1", "kubelogin"))
    return ServerLogin(Login(access(user), plugin=plugin, now=clock or time.time))


@asynccontextmanager
async def asking(login: ServerLogin) -> AsyncIterator[asyncio.Task[object]]:
    """Somebody needs credentials, as a watch does."""
    task: asyncio.Task[object] = asyncio.create_task(login.credentials())
    try:
        yield task
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def test_what_it_says_is_told_while_it_waits_and_is_gone_afterwards() -> None:
    person = Person()
    login = login_by(person)
    news: list[object] = []
    login.listeners.add(lambda: news.append(login.pending))
    login.want(asked_for=True)
    async with asking(login) as task:
        watch = Stopwatch()
        await until(lambda: login.pending)
        assert watch.seconds() < 1
        assert login.pending and login.pending.reason is Reason.LOGIN_PENDING
        assert login.pending.message == (
            "waiting for a login of user ada: To sign in, open https://login.example/device and enter the code ABCD-EFGH"
        )
        person.done.set()
        await task
    assert login.pending is None
    assert news[-1] is None and len(news) == 2


async def test_a_plugin_that_says_nothing_is_told_after_a_moment() -> None:
    login = login_by(Person(said=b""))
    async with asking(login):
        await until(lambda: login.pending)
        assert login.pending
        assert login.pending.message == "waiting for the login plugin kubelogin to log in user ada"
        assert login.asks == ""


async def test_a_quick_one_is_not_told_at_all() -> None:
    person = Person()
    person.silent = True
    login = login_by(person)
    news: list[object] = []
    login.listeners.add(lambda: news.append(login.pending))

    await login.credentials()

    assert news == []


async def test_while_somebody_waits_it_gets_the_time_of_a_person() -> None:
    person = Person()
    login = login_by(person)
    login.want(asked_for=True)
    async with asking(login) as task:
        await asyncio.sleep(2 * plugin_run.ALONE)
        assert person.running
        person.done.set()
        await task
    assert person.runs == 1


async def test_who_comes_to_wait_meanwhile_gives_it_more_time() -> None:
    person = Person()
    login = login_by(person)
    async with asking(login) as task:
        await asyncio.sleep(plugin_run.ALONE / 2)
        login.want(asked_for=False)
        await asyncio.sleep(plugin_run.ALONE)
        assert person.running
        person.done.set()
        await task
    assert person.runs == 1


@pytest.mark.parametrize("said", [DEVICE_CODE, b"Press the button of your key\n", b""])
async def test_without_anybody_it_is_run_once_and_then_only_for_somebody(said: bytes) -> None:
    person, clock = Person(said), Clock()
    login = login_by(person, clock)
    with pytest.raises(LoginError, match=r"has not logged in user ada within \d+ s") as caught:
        await login.credentials()
    assert "`kfw retry`" in caught.value.fix
    for _ in range(5):
        clock.seconds += 3600  # "a new browser tab every 2 minutes for ever"
        with pytest.raises(LoginError, match="has not logged in"):
            await login.credentials()
    assert person.runs == 1
    assert login.pause > 3600

    login.want(asked_for=True)
    async with asking(login) as task:
        await until(lambda: person.running)
        person.done.set()
        await task
    assert person.runs == 2


async def test_a_change_of_network_asks_no_person_once_more_but_runs_a_silent_one() -> None:
    asks, silent = Person(), Person(b"")
    for person, runs in ((asks, 1), (silent, 2)):
        login = login_by(person)
        for _ in range(2):
            with pytest.raises(LoginError):
                await login.credentials()
            login.try_again()
        assert person.runs == runs


async def test_a_plugin_that_needs_nobody_any_more_is_renewed_by_itself() -> None:
    """kubelogin: a person the first time, a refresh token afterwards."""
    person = Person()
    login = login_by(person)
    login.want(asked_for=True)
    async with asking(login) as task:
        await until(lambda: login.pending)
        person.done.set()
        used = await task
    person.silent = True
    login.accepted(used)  # type: ignore[arg-type]
    for _ in range(3):
        assert login.refused(await login.credentials(), LoginError("Unauthorized"))
        login.accepted(await login.credentials())
    assert person.runs == 4


async def test_who_was_logged_in_by_a_person_and_refused_asks_that_person_not_again() -> None:
    person, clock = Person(), Clock()
    login = login_by(person, clock)
    login.want(asked_for=True)
    async with asking(login) as task:
        await until(lambda: login.pending)
        person.done.set()
        used = await task
    assert not login.refused(used, LoginError("Unauthorized"))  # type: ignore[arg-type]
    for _ in range(3):
        clock.seconds += 600
        with pytest.raises(LoginError, match="Unauthorized"):
            await login.credentials()
    assert person.runs == 1


async def test_a_plugin_that_fails_at_once_is_tried_again_by_itself_as_before() -> None:
    clock = Clock()
    person = Person()
    person.silent, person.fails = True, LoginError("The SSO session has expired")
    login = login_by(person, clock)
    for runs in range(1, 4):
        with pytest.raises(LoginError, match="expired"):
            await login.credentials()
        assert person.runs == runs
        clock.seconds += 60
    person.fails = None
    await login.credentials()


async def test_a_program_that_connects_again_and_again_opens_no_browser_each_time() -> None:
    person = Person()
    login = login_by(person)
    with pytest.raises(LoginError):
        await login.credentials()
    for _ in range(10):
        login.want(asked_for=False)
        with pytest.raises(LoginError):
            await login.credentials()
    assert person.runs == 1


async def test_nobody_is_left_waiting_in_vain_when_the_last_has_left() -> None:
    person = Person()
    login = login_by(person)
    async with asking(login):
        await until(lambda: person.running)
    await until(lambda: not person.running)
    async with asking(login) as task:
        await until(lambda: person.running)
        person.done.set()
        await task
    assert person.runs == 2


async def test_one_who_leaves_ends_no_login_that_others_wait_for() -> None:
    person = Person()
    login = login_by(person)
    login.want(asked_for=True)
    async with asking(login) as task:
        async with asking(login):
            await until(lambda: person.running)
        assert person.running
        person.done.set()
        await task
    assert person.runs == 1


async def test_a_server_that_accepts_what_there_is_waits_for_nothing() -> None:
    person = Person()
    person.silent = True
    login = login_by(person)
    used = await login.credentials()
    login.accepted(used)
    other = ServerLogin(login.login)
    assert other.refused(await other.credentials(), LoginError("Unauthorized"))
    person.silent = False
    async with asking(other):
        await until(lambda: other.pending)
        assert login.pending is None
        assert await login.credentials() is used
