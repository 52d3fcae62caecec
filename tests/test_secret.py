"""Nothing of a Secret is seen by whoever does not ask for it, and `redact` takes it out of what others say."""

import copy
import json
import logging
import pickle
import time
from urllib.parse import quote

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kfw.errors import LoginError
from kfw.kubeconfig.entries import Exec
from kfw.secret import MASK, Secret, is_secret_name, redact, show

VALUE = "S3CR3T-of-the-user"


@pytest.mark.parametrize(
    "show",
    [
        str,
        repr,
        ascii,
        lambda secret: f"{secret}",
        lambda secret: f"{secret!r:>30}",
        lambda secret: "%s %r" % (secret, secret),  # noqa: UP031  # this way of formatting is tried, too
        lambda secret: "{:s}".format(secret),  # noqa: UP032
        lambda secret: "Bearer " + secret,
        lambda secret: " ".join(["Bearer", secret]),
        lambda secret: json.dumps({"token": secret}),
        lambda secret: repr({"token": secret, "all": [secret], "pair": (secret,)}),
        lambda secret: secret.upper() + secret.strip() + secret[:],
        lambda secret: secret.encode().decode(),
        lambda secret: str(ValueError(secret)) + repr(ValueError(secret)),
        lambda secret: repr(copy.deepcopy([secret])),
        lambda secret: logging.LogRecord("x", 1, "f", 1, "%s", (secret,), None).getMessage(),
    ],
)
def test_a_secret_is_not_seen(show: object) -> None:
    shown = show(Secret(VALUE))  # type: ignore[operator]

    assert VALUE not in shown
    assert VALUE.upper() not in shown


def test_who_asks_gets_it() -> None:
    secret = Secret(VALUE)

    assert secret.reveal() == VALUE
    assert secret == Secret(VALUE)
    assert secret == VALUE
    assert secret != Secret("another")
    assert hash(secret) == hash(Secret(VALUE))
    assert copy.deepcopy(secret).reveal() == VALUE
    assert secret
    assert not Secret("")


def test_a_secret_is_in_no_pickle_and_no_reply() -> None:
    with pytest.raises(TypeError):
        pickle.dumps(Secret(VALUE))
    with pytest.raises(TypeError):
        msgspec.json.encode({"token": Secret(VALUE)})


def test_a_value_is_known_as_long_as_one_secret_of_it_lives() -> None:
    first, second = Secret(VALUE), Secret(VALUE)
    del first

    assert redact(f"<{VALUE}>") == f"<{MASK}>"
    assert second == VALUE


@pytest.mark.parametrize(
    "said",
    [
        f"no such profile {VALUE}",
        f"Illegal header value b'Bearer {VALUE}\\n'",
        f"GET /?key={quote(VALUE)}",
        repr(ValueError(VALUE)),
        json.dumps({"x": VALUE}),
    ],
)
def test_a_secret_that_exists_is_taken_out_of_what_others_say(said: str) -> None:
    secret = Secret(VALUE)

    assert secret.reveal() not in redact(said)


@pytest.mark.parametrize(
    "said",
    [
        f"the token {VALUE} has expired",
        f"<html>{VALUE}</html>",
        f'{{"access":"{VALUE}"}}',
        f"GET /callback?t={quote(VALUE)}",
        f"{VALUE} {VALUE}",
    ],
)
@pytest.mark.parametrize("scheme", ["Bearer", "Basic"])
def test_the_token_of_a_header_is_taken_out_where_it_stands_alone(scheme: str, said: str) -> None:
    header = Secret(f"{scheme} {VALUE}")

    assert VALUE not in redact(said)
    assert header.reveal().endswith(VALUE)


@pytest.mark.parametrize("length", [8, 9, 12, len(VALUE) - 1])
@pytest.mark.parametrize("before", ["", "no such user: ", "S3CR3T-S3CR3T-", f"{VALUE} ", VALUE[:12]])
def test_a_text_that_was_cut_within_a_secret_shows_no_part_of_it(before: str, length: int) -> None:
    secret = Secret(VALUE)
    shown = redact(before + VALUE[:length])

    assert not shown.endswith(VALUE[:length])
    assert shown.endswith(MASK)
    assert secret.reveal() == VALUE


def test_a_sentence_that_ends_like_a_secret_goes_on_or_is_too_short_stays_whole() -> None:
    secret = Secret("Bearer abcdefgh")

    for said in ("Bearer", "the Bearer ", "abcdefg", "it is Bearer abc and more"):
        assert redact(said) == said
    assert secret.reveal()


@given(st.text(min_size=4).filter(lambda text: len(text.strip()) >= 4 and set(text) - {"*"}))
def test_any_value_is_taken_out_however_it_is_quoted(value: str) -> None:
    secret = Secret(value)
    core = value.strip()

    for said in (f"<{value}>", f"<{value!r}>", f"<{core}>", f"<{quote(value, safe='')}>"):
        assert redact(said) == f"<{MASK}>" or core not in redact(said)
    assert secret.reveal() == value


@pytest.mark.parametrize(
    ("said", "shown"),
    [
        ("https://joe:PASS@host:6443/x refuses", "https://***@host:6443/x refuses"),
        ("socks5://joe@host", "socks5://***@host"),
        ("https://host/api?a=1&token=abc&b=2", "https://host/api?a=1&token=***&b=2"),
        ("https://host/?access_token=abc#x", "https://host/?access_token=***#x"),
        ("try: kubelogin --oidc-client-secret=abc get-token", "try: kubelogin --oidc-client-secret=*** get-token"),
        ("try: login --password hunter2 --region eu", "try: login --password *** --region eu"),
        ("Authorization: Bearer abcdef.ghi", "Authorization: Bearer ***"),
        ("Basic am9lOnBhc3M=", "Basic ***"),
        ("invalid eyJhbGciOiJSUzI1.eyJpc3MiOi.c2ln token", "invalid *** token"),
        ('{"id_token": "abcdefgh", "x": 1}', '{"id_token": ***, "x": 1}'),
        ("client_secret=abcdefgh is wrong", "client_secret=*** is wrong"),
        ("a\n-----BEGIN RSA PRIVATE KEY-----\nabc\n-----END RSA PRIVATE KEY-----\nb", "a\n***\nb"),
        ("-----BEGIN PRIVATE KEY-----\nabc", "***"),
    ],
)  # fmt: skip
def test_the_usual_shapes_are_taken_out(said: str, shown: str) -> None:
    assert redact(said) == shown


@pytest.mark.parametrize(
    "said",
    [
        "cannot reach the API server https://127.0.0.1:6443: Connection refused",
        "put a valid token for user ada into /home/ada/.kube/config",
        "the token has expired",
        "AWS profile production could not be found",
        "kubectl --context dev -n shop get pods",
        "set certificate-authority-data of cluster dev in the kubeconfig to the server's CA",
        "pods is forbidden: User ada cannot list resource pods",
        "error: exit code: 42",
        "kubectl get secret db-password",
        "its id-token has expired, and there is no refresh-token to get another one with",
    ],
)
def test_a_sentence_without_a_secret_stays_whole(said: str) -> None:
    assert redact(said) == said


def test_a_short_secret_hides_itself_and_no_part_of_another_word() -> None:
    secret = Secret("good")

    assert (
        redact("the last_good_one says good, 'good' and goods")
        == "the last_good_one says ***, '***' and goods"
    )
    assert secret.reveal() == "good"


def test_an_error_holds_no_secret() -> None:
    secret = Secret(VALUE)
    error = LoginError(f"refused: {secret.reveal()}", f"try --token {VALUE}")

    assert VALUE not in error.what + error.fix + str(error) + repr(error)


@pytest.mark.parametrize(
    "name", ["token", "AWS_SECRET_ACCESS_KEY", "--oidc-client-secret", "PGPASSWORD", "api-key"]
)
def test_names_that_hold_secrets(name: str) -> None:
    assert is_secret_name(name)


@pytest.mark.parametrize("name", ["AWS_PROFILE", "PATH", "--region", "HTTPS_PROXY", "author"])
def test_names_that_hold_none(name: str) -> None:
    assert not is_secret_name(name)


@pytest.mark.parametrize(
    "said",
    [
        "To sign in, open https://microsoft.com/devicelogin and enter the code ABCD12345",
        "Then enter the code: ABCD-EFGH",
        "open https://device.sso.eu-central-1.amazonaws.com/?user_code=ABCD-EFGH",
        "open http://localhost:8000/?code=ABCD-EFGH",
        "First copy your one-time code: ABCD-EFGH",
    ],
)
def test_what_a_person_must_type_in_can_be_read_and_known_secrets_cannot(said: str) -> None:
    token = Secret("S3CR3T-token")
    shown = show(f"{said} ({token.reveal()})")

    assert shown == f"{said} (***)"
    assert redact(shown) == shown


def test_the_scheme_of_a_secret_url_can_be_named() -> None:
    url = Secret("https://issuer.example/realm")

    assert redact("its URL must begin with https://") == "its URL must begin with https://"
    assert redact(f"cannot reach {url.reveal()}") == "cannot reach ***"


def test_a_password_with_a_slash_is_taken_out_and_a_port_is_none() -> None:
    assert redact("https://joe:PA/SS@host/x") == "https://***@host/x"
    assert redact("see https://host:6443/a@b") == "see https://host:6443/a@b"


@pytest.mark.parametrize(
    ("args", "env", "secrets"),
    [
        (("get-token", "--oidc-client-secret=V4LUE"), (), ["V4LUE"]),
        (("--password", "V4LUE", "--region", "eu"), (), ["V4LUE"]),
        (("AWS_SECRET_ACCESS_KEY=V4LUE", "aws"), (), ["V4LUE"]),
        (("--issuer", "https://joe:V4LUE@idp/x"), (), ["V4LUE"]),
        (("https://idp/x?a=1&token=V4LUE",), (), ["V4LUE"]),
        (("https://joe:V4LUE/x@idp",), (), ["V4LUE/x", "V4LUE", "x"]),
        (("-c", "curl -d 'client_secret=V4LUE' idp"), (), ["V4LUE"]),
        ((), (("GITHUB_TOKEN", "V4LUE"), ("AWS_PROFILE", "dev")), ["V4LUE"]),
        ((), (("HTTPS_PROXY", "http://joe:V4LUE@gate:3128"),), ["V4LUE"]),
        (("--token-cache-dir", "--server-id", "x"), (), []),
    ],
)
def test_what_a_plugin_gets_and_is_secret_is_known(
    args: tuple[str, ...], env: tuple[tuple[str, str], ...], secrets: list[str]
) -> None:
    plugin = Exec("v1", "login", args, env)

    assert [secret.reveal() for secret in plugin.secrets] == secrets
    assert "V4LUE" not in repr(plugin) + redact("no such profile 'V4LUE'" if secrets else "")


@pytest.mark.parametrize(
    "piece",
    [
        *(
            "token-",
            "token",
            "token.",
            "a.",
            "a",
            "a-",
            "-",
            "a://",
            "a+",
            "--token ",
            "?token-",
            "Bearer ",
            "eyJaaaaaaaa-",
        ),
        *(
            "-----BEGIN PRIVATE KEY-----",
            "-----BEGIN ",
            "secret=",
            'token="',
            "key: ",
            "a:b@",
            "://a:b",
            "sig.",
            "eyJ-",
        ),
    ],
)
def test_no_text_takes_a_time_that_grows_faster_than_it(piece: str) -> None:
    """Nobody else runs meanwhile: a name of 4,000 letters in a kubeconfig held the daemon for half a minute."""
    text = piece * (20_000 // len(piece)) + " = : @ token=abcdefghi x"
    began = time.process_time()

    redact(text)
    is_secret_name(text)
    Exec("v1", "login", (text, f"--x={text}"), (("A", text), ("B_TOKEN", text)))

    assert time.process_time() - began < 2.0


@pytest.mark.parametrize(
    ("said", "shown"),
    [
        ("my-sig=abcdefg x", "my-sig=*** x"),
        ("(--client-secret=abc)", "(--client-secret=***"),
        ("x.https://joe:PASS@host", "x.https://***@host"),
        ("AWS_SECRET_ACCESS_KEY: abcdefghi", "AWS_SECRET_ACCESS_KEY: ***"),
        ("my.api-key.of.mine = abcdefghi", "my.api-key.of.mine = ***"),
        ("a=eyJhbGciOiJ9.eyJzdWIiOiJ9.sig", "a=***"),
    ],
)
def test_a_name_is_found_in_the_middle_of_others(said: str, shown: str) -> None:
    assert redact(said) == shown


def test_a_line_of_sudoers_is_shown_whole_and_a_password_beside_it_is_not() -> None:
    line = "ada ALL=(root) NOPASSWD: /usr/local/libexec/kfw-kubefwd"
    assert redact(f"put in: {line}") == f"put in: {line}"
    assert "hunter2hunter2" not in redact(f"{line} passwd: hunter2hunter2")
    assert "hunter2hunter2" not in redact("MYNOPASSWD=hunter2hunter2")
