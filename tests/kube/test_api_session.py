"""A credential is its user's, a refusal is of one server: what servers that share a login say to it stays apart."""

import asyncio
from pathlib import Path

import pytest

from kfw.errors import LoginError
from kfw.kube.api_session import ServerLogin
from kfw.kube.login import Credentials, Login
from kfw.kubeconfig.entries import UserEntry
from tests.kube.test_login import PLUGIN, REFUSED, Clock, FakePlugin, access, by_plugin, token

pytestmark = pytest.mark.asyncio


def two() -> tuple[ServerLogin, ServerLogin, FakePlugin, Clock]:
    login, plugin, clock = by_plugin()
    return ServerLogin(login), ServerLogin(login), plugin, clock


async def accepted(server: ServerLogin) -> Credentials:
    found = await server.credentials()
    server.accepted(found)
    return found


async def test_what_one_accepts_stays_in_use_there_when_another_refuses_it() -> None:
    a, b, plugin, _ = two()
    used = await accepted(a)
    assert b.refused(await b.credentials(), REFUSED)
    assert await a.credentials() is used
    assert not b.refused(await b.credentials(), REFUSED)
    assert await a.credentials() is used
    assert plugin.runs == 2  # one for all, and one more for b


async def test_who_is_refused_twice_is_told_so_and_nobody_else() -> None:
    a, b, plugin, _ = two()
    await accepted(a)
    b.refused(await b.credentials(), REFUSED)
    b.refused(await b.credentials(), REFUSED)
    with pytest.raises(LoginError, match="Unauthorized"):
        await b.credentials()
    for _ in range(30):
        await accepted(a)
    assert (a.pause, b.pause) == (0, 5)
    assert plugin.runs == 2


async def test_a_third_server_takes_what_there_is() -> None:
    a, b, plugin, _ = two()
    await accepted(a)
    b.refused(await b.credentials(), REFUSED)
    b.refused(await b.credentials(), REFUSED)
    c = ServerLogin(a.login)
    assert token(await accepted(c)) == "Bearer token-2"
    assert plugin.runs == 2


async def test_a_renewal_that_hangs_holds_up_nobody_who_has_what_he_needs() -> None:
    going = asyncio.Event()

    class Slow(FakePlugin):
        async def __call__(self, *which, **more):  # type: ignore[no-untyped-def]
            if self.runs:
                await going.wait()
            return await super().__call__(*which, **more)

    clock = Clock()
    login = Login(access(UserEntry("ada", exec=PLUGIN)), plugin=Slow(clock), now=clock)
    a, b = ServerLogin(login), ServerLogin(login)
    used = await accepted(a)
    b.refused(await b.credentials(), REFUSED)
    waiting = [asyncio.create_task(b.credentials()) for _ in range(3)]
    async with asyncio.timeout(1):
        assert [await a.credentials() for _ in range(30)] == [used] * 30
    going.set()
    assert {token(one) for one in await asyncio.gather(*waiting)} == {"Bearer token-2"}


async def test_a_plugin_that_fails_for_one_leaves_the_other_what_it_has() -> None:
    a, b, plugin, _ = two()
    used = await accepted(a)
    b.refused(await b.credentials(), REFUSED)
    plugin.error = LoginError("the session has expired")
    with pytest.raises(LoginError, match="expired"):
        await b.credentials()
    assert await a.credentials() is used
    assert b.pause == 5


async def test_a_login_made_for_it_and_refused_at_once_is_not_made_again_at_once() -> None:
    a, b, plugin, clock = two()
    first, second = await asyncio.gather(a.credentials(), b.credentials())
    a.accepted(first)
    assert not b.refused(second, REFUSED)
    assert plugin.runs == 1
    clock.seconds += 5
    assert token(await b.credentials()) == "Bearer token-2"
    assert token(await a.credentials()) == "Bearer token-1"


async def test_many_connections_that_are_refused_together_renew_once() -> None:
    a, b, plugin, _ = two()
    await accepted(a)
    used = await b.credentials()
    assert all(b.refused(used, REFUSED) for _ in range(30))
    new = await asyncio.gather(*(b.credentials() for _ in range(30)))
    assert not any(b.refused(one, REFUSED) for one in new)
    assert plugin.runs == 2


async def test_one_that_refused_and_then_accepts_is_as_if_it_had_never_refused() -> None:
    a, b, plugin, clock = two()
    await accepted(a)
    b.refused(await b.credentials(), REFUSED)
    b.refused(await b.credentials(), REFUSED)
    clock.seconds += 5
    good = await accepted(b)
    assert b.pause == 0
    clock.seconds += 1000
    assert await b.credentials() is good
    assert b.refused(good, REFUSED), "later it is worth another one"
    assert plugin.runs == 3


async def test_one_that_refuses_later_takes_what_another_had_renewed() -> None:
    a, b, plugin, _ = two()
    used = await accepted(a)
    b.refused(await b.credentials(), REFUSED)
    await accepted(b)
    assert a.refused(used, REFUSED)
    assert token(await accepted(a)) == "Bearer token-2"
    assert plugin.runs == 2


async def test_both_refuse_and_each_waits_for_itself() -> None:
    a, b, plugin, clock = two()
    for server in (a, b):
        while server.refused(await server.credentials(), REFUSED):
            pass
        with pytest.raises(LoginError):
            await server.credentials()
    runs = plugin.runs
    assert runs <= 3
    a.try_again()
    await accepted(a)
    with pytest.raises(LoginError):
        await b.credentials()
    clock.seconds += 5
    await accepted(b)


async def test_what_has_come_to_its_end_is_renewed_for_all() -> None:
    login, plugin, clock = by_plugin(life=600)
    a, b = ServerLogin(login), ServerLogin(login)
    await accepted(a)
    await accepted(b)
    clock.seconds += 590
    assert {token(await accepted(one)) for one in (a, b)} == {"Bearer token-2"}
    assert plugin.runs == 2


async def test_of_a_token_file_one_refuses_first_and_then_accepts(tmp_path: Path) -> None:
    file = tmp_path / "token"
    file.write_text("one")
    login = Login(access(UserEntry("ada", token_file=str(file))))
    a, b = ServerLogin(login), ServerLogin(login)
    used = await accepted(a)
    assert b.refused(await b.credentials(), REFUSED)
    assert not b.refused(await b.credentials(), REFUSED)
    assert await a.credentials() is used
    file.write_text("two")
    assert token(await accepted(b)) == "Bearer two"  # a file is read again at once
    assert token(await a.credentials()) == "Bearer two"  # what the file holds now is everybody's


@pytest.mark.parametrize(
    "user", [UserEntry("ada", token="x"), UserEntry("ada", username="a", password="b"), UserEntry("")]
)
async def test_what_cannot_be_renewed_is_refused_for_this_server_only(user: UserEntry) -> None:
    login = Login(access(user))
    a, b = ServerLogin(login), ServerLogin(login)
    used = await accepted(a)
    assert not b.refused(await b.credentials(), REFUSED)
    assert await a.credentials() is used
    assert await b.credentials() is used  # asked again it may say yes
