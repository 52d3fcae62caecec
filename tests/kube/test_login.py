"""Logins: what is sent, how long it holds, one at a time, and words for what went wrong."""

import asyncio
import base64
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest

from kfw.errors import KfwError, LoginError
from kfw.kube import credentials
from kfw.kube.api_session import ServerLogin
from kfw.kube.exec_plugin import PluginStatus
from kfw.kube.login import Credentials, Login
from kfw.kubeconfig.entries import Access, ClusterEntry, Exec, Pem, UserEntry
from kfw.secret import Secret

PLUGIN = Exec("client.authentication.k8s.io/v1", "aws", ("eks", "get-token"))
REFUSED = LoginError("Unauthorized")


class Clock:
    def __init__(self) -> None:
        self.seconds = 1_000_000.0

    def __call__(self) -> float:
        return self.seconds


class FakePlugin:
    """Gives token-1, token-2 ... each of which lives for `life` seconds; fails with `error` if there is one."""

    def __init__(self, clock: Clock, life: float | None = None) -> None:
        self.runs = 0
        self.at_once = 0
        self.error: KfwError | None = None
        self._clock = clock
        self._life = life

    async def __call__(self, plugin: Exec, user: str, cluster: ClusterEntry, **_: object) -> PluginStatus:
        self.runs += 1
        self.at_once += 1
        assert self.at_once == 1, "two logins at a time"
        await asyncio.sleep(0)
        self.at_once -= 1
        if self.error:
            raise self.error
        end = datetime.fromtimestamp(self._clock() + self._life, UTC) if self._life else None
        return PluginStatus(token=f"token-{self.runs}", expiration_timestamp=end)


def access(user: UserEntry) -> Access:
    return Access("dev", ClusterEntry("dev", "https://dev"), user)


def by_plugin(life: float | None = None) -> tuple[Login, FakePlugin, Clock]:
    clock = Clock()
    plugin = FakePlugin(clock, life)
    return Login(access(UserEntry("ada", exec=PLUGIN)), plugin=plugin, now=clock), plugin, clock


def token(credentials: Credentials) -> str:
    return dict(credentials.headers).get("Authorization", "")


@pytest.mark.asyncio
async def test_a_token_is_sent_as_it_stands() -> None:
    login = Login(access(UserEntry("ada", token="abc", impersonate=(("Impersonate-User", "bob"),))))
    credentials = await login.credentials()

    assert credentials.headers == (("Authorization", "Bearer abc"), ("Impersonate-User", "bob"))
    assert "abc" not in repr(credentials)


@pytest.mark.asyncio
async def test_a_user_without_credentials_sends_none() -> None:
    assert (await Login(access(UserEntry(""))).credentials()).headers == ()


@pytest.mark.asyncio
async def test_a_token_file_is_read_again_and_wins_over_a_token(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(credentials, "LIFE", 0.2)
    file = tmp_path / "token"
    file.write_text("one\n")
    login = Login(access(UserEntry("ada", token=Secret("old"), token_file=str(file))))

    first = await login.credentials()
    assert token(first) == "Bearer one"
    file.write_text("two\n")
    assert await login.credentials() is first, "it is not read for every request"
    await asyncio.sleep(0.2)
    second = await login.credentials()
    assert token(second) == "Bearer two"
    await asyncio.sleep(0.2)
    assert await login.credentials() is second, "what has not changed is not a new login"


@pytest.mark.asyncio
async def test_a_token_file_is_read_again_at_once_when_the_server_refuses(tmp_path: Path) -> None:
    file = tmp_path / "token"
    file.write_text("one")
    login = ServerLogin(Login(access(UserEntry("ada", token_file=str(file)))))
    used = await login.credentials()
    login.accepted(used)
    file.write_text("two")

    assert login.refused(used, REFUSED)
    assert token(await login.credentials()) == "Bearer two"


@pytest.mark.asyncio
async def test_a_client_certificate_is_read_from_its_files(tmp_path: Path) -> None:
    for name in ("crt", "key"):
        (tmp_path / name).write_text(name)
    user = UserEntry("ada", certificate=Pem(file=str(tmp_path / "crt")), key=Pem(file=str(tmp_path / "key")))
    certificate = (await Login(access(user)).credentials()).certificate

    assert certificate and (certificate.certificate, certificate.key) == (b"crt", b"key")


@pytest.mark.parametrize(
    "user",
    [
        UserEntry("ada", token_file="/no/such/file", file="/k"),
        UserEntry("ada", certificate=Pem(file="/no/such/file"), file="/k"),
    ],
)
@pytest.mark.asyncio
async def test_a_credential_file_that_is_missing_is_named(user: UserEntry) -> None:
    with pytest.raises(LoginError) as caught:
        await Login(access(user)).credentials()

    assert (
        caught.value.what
        == "cannot read the credentials of user ada: /no/such/file: No such file or directory"
    )
    assert caught.value.fix == "fix user ada in /k"


@pytest.mark.parametrize(
    ("provider", "instead"),
    [("gcp", "gke-gcloud-auth-plugin"), ("azure", "kubelogin"), ("openstack", "exec plugin")],
)
@pytest.mark.asyncio
async def test_an_auth_provider_is_refused_with_what_replaces_it(provider: str, instead: str) -> None:
    with pytest.raises(LoginError, match=f"auth-provider {provider}, which Kubernetes has removed") as caught:
        await Login(access(UserEntry("ada", auth_provider=provider))).credentials()
    assert instead in caught.value.fix
    assert caught.value.reason == "bad-config"


@pytest.mark.asyncio
async def test_a_password_is_sent_as_basic_auth() -> None:
    login = Login(access(UserEntry("ada", username="ada", password="pw")))

    assert token(await login.credentials()) == "Basic " + base64.b64encode(b"ada:pw").decode()


@pytest.mark.asyncio
async def test_many_who_need_a_login_share_one() -> None:
    login, plugin, _ = by_plugin()

    got = await asyncio.gather(*(login.credentials() for _ in range(20)))

    assert plugin.runs == 1
    assert {token(one) for one in got} == {"Bearer token-1"}


@pytest.mark.parametrize(("life", "held"), [(600, 589), (10, 8.9), (None, 1e9)])
@pytest.mark.asyncio
async def test_a_login_holds_until_shortly_before_its_end(life: float | None, held: float) -> None:
    login, plugin, clock = by_plugin(life)
    await login.credentials()
    clock.seconds += held
    await login.credentials()
    assert plugin.runs == 1

    if life:
        clock.seconds += life - held
        await login.credentials()
        assert plugin.runs == 2


@pytest.mark.asyncio
async def test_a_401_renews_the_login_once_for_all_who_got_it() -> None:
    shared, plugin, _ = by_plugin()
    login = ServerLogin(shared)
    used = await login.credentials()
    login.accepted(used)

    assert login.refused(used, REFUSED)
    renewed = await login.credentials()
    assert login.refused(used, REFUSED), "who comes late takes what was renewed meanwhile"
    assert await login.credentials() is renewed
    assert plugin.runs == 2


@pytest.mark.asyncio
async def test_a_new_login_that_is_refused_too_is_not_renewed_at_once() -> None:
    shared, plugin, clock = by_plugin()
    login = ServerLogin(shared)
    used = await login.credentials()

    assert not login.refused(used, REFUSED)
    with pytest.raises(LoginError, match="Unauthorized"):
        await login.credentials()
    assert plugin.runs == 1
    clock.seconds += 5
    await login.credentials()
    assert plugin.runs == 2


@pytest.mark.parametrize(
    "user", [UserEntry("ada", token="x"), UserEntry("ada", username="a", password="b"), UserEntry("")]
)
@pytest.mark.asyncio
async def test_what_stands_in_the_kubeconfig_cannot_be_renewed(user: UserEntry) -> None:
    login = ServerLogin(Login(access(user)))
    used = await login.credentials()
    login.accepted(used)

    assert not login.refused(used, REFUSED)


@pytest.mark.asyncio
async def test_a_plugin_that_fails_is_asked_again_after_5_10_20_40_60_seconds() -> None:
    login, plugin, clock = by_plugin()
    plugin.error = LoginError("the session has expired")
    for pause in (5, 10, 20, 40, 60, 60):
        runs = plugin.runs
        for _ in range(3):
            with pytest.raises(LoginError, match="the session has expired"):
                await login.credentials()
        assert plugin.runs == runs + 1
        clock.seconds += pause


@pytest.mark.asyncio
async def test_a_poke_asks_the_plugin_again_now_and_success_forgets_the_failures() -> None:
    login, plugin, clock = by_plugin(life=100)
    plugin.error = LoginError("no")
    for _ in range(3):
        with pytest.raises(LoginError):
            await login.credentials()
        login.try_again()
    assert plugin.runs == 3

    plugin.error = None
    await login.credentials()
    clock.seconds += 100
    plugin.error = LoginError("no")
    with pytest.raises(LoginError):
        await login.credentials()
    clock.seconds += 5
    with pytest.raises(LoginError):
        await login.credentials()
    assert plugin.runs == 6


@pytest.mark.asyncio
async def test_who_waits_goes_on_when_the_one_that_logs_in_is_cancelled() -> None:
    login, plugin, _ = by_plugin()
    first = asyncio.create_task(login.credentials())
    second = asyncio.create_task(login.credentials())
    await asyncio.sleep(0)
    first.cancel()

    assert token(await second) == "Bearer token-1"
    assert plugin.runs == 1, "a browser that is open stays the one to use"


def hints() -> list[tuple[UserEntry, str]]:
    return [
        (
            UserEntry("ada", exec=PLUGIN),
            "log in again, then try it by hand: kubectl --context dev get --raw /version",
        ),
        (UserEntry("ada", token_file="/t"), "put a valid token into /t"),
        (
            UserEntry("ada", certificate=Pem(data=b"x"), file="/k"),
            "renew the client certificate of user ada in /k",
        ),
        (UserEntry("ada", token="x", file="/k"), "put a valid token for user ada into /k"),
        (UserEntry(""), "the context names no user"),
    ]


@pytest.mark.parametrize(("user", "hint"), hints())
def test_a_refusal_says_what_to_renew(user: UserEntry, hint: str) -> None:
    make: Callable[[Access], Login] = Login

    async def said() -> str:
        return make(access(user)).hint

    assert asyncio.run(said()).startswith(hint)


@pytest.mark.asyncio
async def test_a_login_that_is_ending_comes_to_its_end_before_close_returns() -> None:
    """Its child is killed and waited for: cut off in that, it would be left behind."""
    began, ended = asyncio.Event(), asyncio.Event()

    async def slow_to_end(*_: object, **__: object) -> PluginStatus:
        began.set()
        try:
            return await asyncio.Future()
        finally:
            for _turn in range(5):
                await asyncio.sleep(0)
            ended.set()

    login = Login(access(UserEntry("ada", exec=PLUGIN)), plugin=slow_to_end)
    caller = asyncio.create_task(login.credentials())
    await began.wait()
    caller.cancel()
    await asyncio.gather(caller, return_exceptions=True)
    await login.close()
    assert ended.is_set()
