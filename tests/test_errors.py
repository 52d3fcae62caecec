import errno
import re
import socket
import ssl
from pathlib import Path

import pytest

import kfw
from kfw.errors import Shortage, describe, words_of
from kfw.model import Problem, Reason
from kfw.secret import Secret
from kfw.system.files import Unreadable


def test_a_foreign_exception_is_told_by_its_type_and_its_words_without_secrets() -> None:
    secret = Secret("S3CR3T-token")
    foreign = ValueError(f"Illegal header value b'Bearer {secret.reveal()}\\n'\nand more")

    assert describe(foreign) == "ValueError: Illegal header value b'Bearer ***\\n' and more"
    assert describe(KeyError()) == "KeyError"
    assert len(describe(ValueError("x" * 10_000))) < 400


def test_a_problem_holds_no_secret_whoever_said_it() -> None:
    secret = Secret("S3CR3T-token")
    problem = Problem(
        Reason.INTERNAL, f"pod web-1: cannot start with --token={secret.reveal()}", "https://a:b@c"
    )

    assert (problem.message, problem.fix) == ("pod web-1: cannot start with --token=***", "https://***@c")


def test_no_text_for_people_holds_the_repr_of_an_exception() -> None:
    """It quotes what the exception was about: a header with its token. `describe` is for that."""
    shown = re.compile(r"\{(?:self\.)?_?(?:e|err|error|exc|exception|defect|problem|failure|cause)!r")
    package = Path(kfw.__file__).parent
    found = [path.name for path in package.rglob("*.py") if shown.search(path.read_text())]

    assert found == []


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (PermissionError(errno.EACCES, "Permission denied", "/root/x"), "Permission denied"),
        (Unreadable(errno.EINVAL, "not a regular file", "x"), "not a regular file"),
        (
            ConnectionRefusedError(errno.ECONNREFUSED, "Connect call failed ('127.0.0.1', 1)"),
            "Connection refused",
        ),
        (TimeoutError(errno.ETIMEDOUT, "Connect call failed ('10.0.0.1', 1)"), "Connection timed out"),
        (TimeoutError("no answer within 3 s"), "no answer within 3 s"),
        (TimeoutError(errno.ETIMEDOUT, "no answer within 3 s"), "no answer within 3 s"),
        (ConnectionResetError(), "Connection reset by peer"),
        (ConnectionResetError("Connection lost"), "Connection reset by peer"),
        (ConnectionResetError("closed, no data received"), "closed, no data received"),
        (BrokenPipeError(errno.EPIPE, ""), "Broken pipe"),
        (socket.gaierror(socket.EAI_NONAME, "Name or service not known"), "Name or service not known"),
        (OSError(), "OSError"),
        (ValueError("x" * 10_000), "x" * 300),
        (EOFError(), "EOFError"),
        (RecursionError("maximum recursion depth exceeded"), "it is nested too deeply"),
        (Shortage("too many open files"), "too many open files"),
    ],
)
def test_a_foreign_exception_is_told_in_the_words_of_who_noticed(error: Exception, words: str) -> None:
    assert words_of(error) == words


def test_tls_says_what_did_not_verify_and_else_its_reason_as_words() -> None:
    client, server = ssl.MemoryBIO(), ssl.MemoryBIO()
    client.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    speaks = context.wrap_bio(client, server, server_hostname="localhost")
    with pytest.raises(ssl.SSLError) as plain:
        speaks.do_handshake()
    unknown = ssl.SSLCertVerificationError(1, "certificate verify failed")
    unknown.verify_message = "self-signed certificate"

    assert words_of(plain.value) in ("wrong version number", "record layer failure")
    assert words_of(unknown) == "self-signed certificate"
