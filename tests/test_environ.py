"""The environment of a caller: what goes with a request, what is refused, what is shown, and who shares with whom."""

import pytest

from kfw import environ
from kfw.environ import Environ, Environs, fitting, sendable
from kfw.errors import KfwError, UsageError
from kfw.names import RowId
from kfw.protocol import AgainRequest, ReloadRequest, Source, UpRequest

MARK = "S3CR3T-in-the-environment"


@pytest.mark.parametrize(
    "name", ["_", "PWD", "OLDPWD", "SHLVL", "PS1", "PROMPT_COMMAND", "KFW_HOME", "KFW_LOOP", "KFW_MARKER"]
)
def test_what_is_the_shells_or_kfws_own_does_not_go_with_a_request(name: str) -> None:
    assert sendable({name: "x", "AWS_PROFILE": "dev"}) == {"AWS_PROFILE": "dev"}


@pytest.mark.parametrize(
    "name", ["PATH", "HTTPS_PROXY", "AWS_SECRET_ACCESS_KEY", "KUBECONFIG", "HOME", "KFW_FORWARDER_IMAGE"]
)
def test_all_else_does(name: str) -> None:
    assert sendable({name: "x"}) == {name: "x"}


def test_bytes_that_are_no_text_are_left_out() -> None:
    assert sendable({"BAD": b"\xff".decode(errors="surrogateescape"), "GOOD": "é"}) == {"GOOD": "é"}


@pytest.mark.parametrize(
    "shown",
    [
        lambda sent: repr(Environ(sent)),
        lambda sent: f"{Environ(sent)}",
        lambda sent: repr(UpRequest(forwards=[], source=Source(key="k", cwd="/"), environ=sent)),
        lambda sent: f"{AgainRequest(environ=sent)}",
        lambda sent: "%s" % ReloadRequest(environ=sent),  # noqa: UP031
        lambda sent: repr([Environ(sent)]),
    ],
)
def test_names_are_shown_and_values_are_not(shown) -> None:  # type: ignore[no-untyped-def]
    text = shown({"SOME_KEY": MARK})
    assert "SOME_KEY" in text
    assert MARK not in text


def test_its_secrets_are_taken_out_of_what_a_plugin_says() -> None:
    kept = Environ(
        {"AWS_SECRET_ACCESS_KEY": MARK, "TOKENIZERS_PARALLELISM": "false", "TOKEN_FILE": "/home/me/token"}
    )
    assert (
        KfwError(f"cannot use {MARK} of /home/me/token: false").what
        == "cannot use *** of /home/me/token: false"
    )
    assert kept["AWS_SECRET_ACCESS_KEY"] == MARK


@pytest.mark.parametrize(
    "sent",
    [
        {"": MARK},
        {"A=B": MARK},
        {"A\0": MARK},
        {"A": f"{MARK}\0"},
        {"A": "x" * (environ.LONGEST_VALUE + 1)},
        {"A" * (environ.LONGEST_NAME + 1): MARK},
        {"A": "\udcff"},
        {str(number): MARK for number in range(environ.MOST + 1)},
        {str(number): "x" * 100_000 for number in range(30)},
    ],
)
def test_what_cannot_be_an_environment_is_refused_without_its_values(sent: dict[str, str]) -> None:
    with pytest.raises(UsageError) as caught:
        Environs({}).made_of(sent)
    assert MARK not in caught.value.what + caught.value.fix
    assert len(caught.value.what) < 200


@pytest.mark.parametrize(
    ("large", "left_out"),
    [
        ({"A": "x" * (environ.LONGEST_VALUE + 1)}, 1),
        ({"A" * (environ.LONGEST_NAME + 1): "x"}, 1),
        ({f"A{number}": "x" * 100_000 for number in range(30)}, 10),
        ({f"A{number}": "" for number in range(environ.MOST + 5)}, 6),
        ({}, 0),
    ],
)
def test_of_one_that_is_too_large_the_largest_are_left_out_and_the_rest_is_taken(
    large: dict[str, str], left_out: int
) -> None:
    given = {"PATH": "/bin", **large}
    sent = fitting(given)
    Environs({}).made_of(sent)
    assert abs(len(given) - len(sent) - left_out) <= 1
    assert large == {} or len(sent) < len(given)


# -- who shares


@pytest.mark.parametrize(
    ("changes", "with_plugin", "without"),
    [
        ({}, True, True),
        ({"WINDOWID": "7", "SSH_TTY": "/dev/pts/1", "TERM_SESSION_ID": "x", "SHLVL": "3"}, True, True),
        ({"AWS_PROFILE": "prod"}, False, True),
        ({"PATH": "/other"}, False, True),
        ({"HTTPS_PROXY": "http://b:1"}, False, False),
        ({"no_proxy": "*"}, False, False),
        ({"AWS_PROFILE": None}, False, True),
    ],
)
def test_a_login_is_shared_where_nothing_differs_that_matters_to_it(
    changes: dict[str, str | None], with_plugin: bool, without: bool
) -> None:
    one = {"AWS_PROFILE": "dev", "PATH": "/bin", "HTTPS_PROXY": "http://a:1", "WINDOWID": "1"}
    other = {name: value for name, value in {**one, **changes}.items() if value is not None}
    assert (Environ(one).key(plugin=True) == Environ(other).key(plugin=True)) is with_plugin
    assert (Environ(one).key(plugin=False) == Environ(other).key(plugin=False)) is without


def test_a_key_tells_nothing_of_the_values() -> None:
    assert MARK.encode() not in Environ({"A": MARK}).key(plugin=True)


# -- whose


def test_until_somebody_sends_one_it_is_the_daemons_own_and_not_known() -> None:
    environs = Environs({"PATH": "/bin"})
    assert dict(environs.of(RowId("", "web"))) == {"PATH": "/bin"}
    assert not environs.of(RowId("", "web")).known
    assert Environs({}, known=True).of(RowId("", "web")).known


def test_it_belongs_to_the_names_it_came_with_and_others_of_the_source_come_into_it() -> None:
    environs = Environs({})
    dev, prod = environs.made_of({"AWS_PROFILE": "dev"}), environs.made_of({"AWS_PROFILE": "prod"})
    a, b, namesake = RowId("/p/kfw.yaml", "a"), RowId("/p/kfw.yaml", "b"), RowId("/q/kfw.yaml", "a")
    environs.put([a, b], dev, "/p/kfw.yaml")
    environs.put([b], prod)
    assert (environs.of(a), environs.of(b)) == (dev, prod)
    assert not environs.of(namesake).known
    assert environs.of_source("/p/kfw.yaml") is dev
    environs.forget([a], {"/p/kfw.yaml"})
    assert not environs.of(a).known
    environs.forget([b], ())
    assert environs.of_source("/p/kfw.yaml") is None


def test_equal_ones_are_one_so_that_500_forwards_hold_one() -> None:
    environs = Environs({})
    first = environs.made_of({"A": "1"})
    environs.put([RowId("", "a")], first)
    assert environs.made_of({"A": "1", "PWD": "/elsewhere"}) is first
    assert environs.made_of({"A": "2"}) is not first


def test_kfws_own_variables_are_those_of_this_daemon() -> None:
    made = Environs({"KFW_HOME": "/mine", "AWS_PROFILE": "old"}).made_of({"KFW_HOME": "/yours", "A": "1"})
    assert dict(made) == {"A": "1", "KFW_HOME": "/mine"}
