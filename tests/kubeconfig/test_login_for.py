"""What of a user's login goes to which server."""

import pytest

from kfw.kube.login import Login
from kfw.kubeconfig.entries import Access, ClusterEntry, Exec, Pem, UserEntry, login_for
from kfw.kubeconfig.urls import guard
from kfw.secret import Secret

AS = (("Impersonate-User", "bob"),)
PEM = Pem(data=b"x")
LOGINS = {
    "token": UserEntry("ada", token=Secret("t0ken"), impersonate=AS),
    "token file": UserEntry("ada", token_file="/t", impersonate=AS),
    "password": UserEntry("ada", username="ada", password=Secret("pw"), impersonate=AS),
    "certificate": UserEntry("ada", certificate=PEM, key=PEM, impersonate=AS),
    "plugin": UserEntry("ada", exec=Exec("v1", "x"), impersonate=AS),
    "oidc": UserEntry(
        "ada", auth_provider="oidc", auth_config=(("id-token", Secret("t0ken")),), impersonate=AS
    ),
}
HTTPS, HTTP = ClusterEntry("a", "https://a"), ClusterEntry("a", "http://127.0.0.1:80")


@pytest.mark.parametrize("login", LOGINS)
def test_over_plain_http_no_login_is_sent_and_the_hint_says_so(login: str) -> None:
    user = login_for(LOGINS[login], HTTP)

    assert user == UserEntry("ada", impersonate=AS, withheld=user.withheld)
    assert "no login is sent over plain HTTP" in Login(Access("c", HTTP, user)).hint


def test_a_user_without_a_login_has_nothing_withheld() -> None:
    assert login_for(UserEntry("ada", impersonate=AS), HTTP).withheld == ""


@pytest.mark.parametrize("login", LOGINS)
def test_over_https_one_login_goes_whole(login: str) -> None:
    assert login_for(LOGINS[login], HTTPS) == LOGINS[login]


@pytest.mark.parametrize("scheme", ["http", "https"])
@pytest.mark.parametrize("login", LOGINS)
def test_a_name_in_the_servers_url_wins_over_all(login: str, scheme: str) -> None:
    user = login_for(LOGINS[login], ClusterEntry("a", guard(f"{scheme}://joe:p%40w@a")))

    assert user == UserEntry("ada", username="joe", password=Secret("p@w"), impersonate=AS)


@pytest.mark.parametrize("written", ["token", "token file", "password", "certificate"])
def test_what_is_written_wins_over_a_plugin(written: str) -> None:
    one, plugin = LOGINS[written], LOGINS["plugin"].exec
    both = UserEntry(
        "ada",
        token=one.token,
        token_file=one.token_file,
        username=one.username,
        password=one.password,
        certificate=one.certificate,
        key=one.key,
        exec=plugin,
        impersonate=AS,
    )

    assert login_for(both, HTTPS) == one
