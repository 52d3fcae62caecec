"""To which API server as whom `kfw port-forward` goes: the kubeconfig, and what the command line says instead."""

import asyncio
import os
from pathlib import Path

import pytest

from kfw.errors import UsageError
from kfw.kubeconfig.entries import Access
from kfw.kubectl_compat import flags
from kfw.kubectl_compat.access import CommandLine
from kfw.kubectl_compat.messages import KubectlError
from kfw.secret import Secret

GOOD = """
apiVersion: v1
clusters:
- {name: dev, cluster: {server: "https://dev:6443/base/"}}
- {name: bad, cluster: {server: "https://bad:99999"}}
users:
- {name: ada, user: {token: abc}}
- {name: bob, user: {token: [SECRET]}}
contexts:
- {name: dev, context: {cluster: dev, user: ada, namespace: shop}}
- {name: bad, context: {cluster: bad, user: ada}}
- {name: bob, context: {cluster: dev, user: bob}}
- {name: twice, context: {}}
- {name: twice, context: {}}
current-context: dev
---
current-context: bad
"""


def command_line(file: Path, *options: str) -> CommandLine:
    arguments = flags.parse(["svc/web", "80", f"--kubeconfig={file}", *options])
    assert arguments
    return CommandLine(arguments, {})


def asked(folder: Path, line: str = "", text: str = GOOD) -> Access:
    (folder / "config").write_text(text)
    return command_line(folder / "config", *line.split()).known


def test_faulty_entries_of_other_contexts_are_no_hindrance(tmp_path: Path) -> None:
    found = asked(tmp_path)

    assert (found.context, str(found.cluster.url), found.namespace) == (
        "dev",
        "https://dev:6443/base",
        "shop",
    )
    assert found.user.token == Secret("abc")


@pytest.mark.parametrize(
    ("line", "number", "what"),
    [
        ("--context bad", 5, "server has a port that is not a number from 1 to 65535"),
        ("--context bob", 8, "token must be a string, and is a list"),
        ("--context twice", 14, 'the name "twice" is in contexts twice'),
        ("--cluster bad", 5, "server has a port"),
        ("--user bob", 8, "token must be a string"),
    ],
)
def test_a_faulty_entry_that_is_needed_is_said_with_its_line(
    tmp_path: Path, line: str, number: int, what: str
) -> None:
    with pytest.raises(KubectlError) as caught:
        asked(tmp_path, line)

    assert caught.value.what.startswith("error: error loading config file: ")
    assert f"{tmp_path / 'config'}:{number}: {what}" in caught.value.what
    assert "SECRET" not in caught.value.what


@pytest.mark.parametrize("server", ["ftp://x", "https://x:99999", "https://", "https://x y"])
def test_a_server_that_is_none_is_said(tmp_path: Path, server: str) -> None:
    (tmp_path / "config").write_text(GOOD)
    with pytest.raises(KubectlError, match='the server of cluster "dev"'):
        command_line(tmp_path / "config", f"--server={server}")


def test_a_server_of_the_command_line_gets_the_login_that_kubectl_would_send(tmp_path: Path) -> None:
    assert asked(tmp_path, "--server https://other").user.token == "abc"
    assert asked(tmp_path, "--server localhost:8080").user.token == ""
    assert str(asked(tmp_path, "--server localhost:8080").cluster.url) == "http://localhost:8080"
    assert asked(tmp_path, "--server http://other --token t0ken").user.token == ""
    named = asked(tmp_path, "--server https://joe:pw@other")
    assert (named.user.username, named.user.password, named.user.token) == ("joe", Secret("pw"), "")
    assert "pw" not in repr(named)


@pytest.mark.asyncio
async def test_the_kubeconfig_is_looked_at_again_and_one_that_cannot_be_used_is_said(tmp_path: Path) -> None:
    file = tmp_path / "config"
    file.write_text(GOOD)
    command = command_line(file)
    assert (await command.access((), "")).user.token == "abc"
    for broken in ("x: [", "kind: Pod", GOOD.replace("abc", "[abc]"), ""):
        file.write_text(broken)
        with pytest.raises(UsageError):
            await command.access((), "")
        assert command.last((), "") == command.known
    file.unlink()
    os.mkfifo(file)
    async with asyncio.timeout(1):
        with pytest.raises(UsageError):
            await command.access((), "")
    file.unlink()
    file.write_text(GOOD.replace("abc", "newer"))
    assert (await command.access((), "")).user.token == "newer"
    assert command.last((), "") != command.known


@pytest.mark.asyncio
async def test_the_context_stays_when_another_window_chooses_another(tmp_path: Path) -> None:
    file = tmp_path / "config"
    file.write_text(GOOD)
    command = command_line(file)
    file.write_text(
        GOOD.replace("abc", "newer").replace("current-context: dev", "current-context: other")
        + "contexts:\n- {name: other, context: {cluster: other, user: ada}}\n"
    )
    found = await command.access((), "")
    assert (found.context, str(found.cluster.url), found.user.token) == (
        "dev",
        "https://dev:6443/base",
        "newer",
    )


@pytest.mark.asyncio
async def test_a_kubeconfig_that_has_not_changed_is_not_read_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`--kubeconfig <(...)` can be read only once."""
    file = tmp_path / "config"
    file.write_text(GOOD)
    command = command_line(file)
    monkeypatch.setattr("kfw.kubeconfig.load.load", None)
    assert await command.access((), "") == command.known
    assert command.stamps(()).keys() == {str(file)}
