"""Login plugins, run for real: a small script in the place of aws, gcloud or kubelogin."""

import asyncio
import errno
import json
import logging
import os
import stat
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from kfw.errors import LoginError, Shortage, ToolMissing
from kfw.kube import exec_plugin
from kfw.kube.login import Login
from kfw.kubeconfig.entries import Access, ClusterEntry, Exec, Pem, UserEntry
from kfw.secret import redact, reveal
from kfw.system.loop import rss_bytes
from tests.until import until

V1 = "client.authentication.k8s.io/v1"
DEV = ClusterEntry(
    "dev",
    "https://dev:6443",
    ca=Pem(data=b"CA"),
    tls_server_name="kubernetes",
    proxy_url="http://gate:3128",
    exec_config='{"audience":"dev"}',
)


@pytest.fixture
def script(tmp_path: Path) -> Callable[[str], str]:
    """`script(body)` is an executable; the body is Python with json, os, sys and time at hand."""

    def write(body: str) -> str:
        path = tmp_path / "login"
        path.write_text(f"#!{sys.executable}\nimport json, os, sys, time\n{body}\n")
        path.chmod(path.stat().st_mode | stat.S_IXUSR)
        return str(path)

    return write


def answer(version: str = V1, **status: Any) -> str:
    return f"print({json.dumps(json.dumps({'apiVersion': version, 'kind': 'ExecCredential', 'status': status}))})"


def plugin(command: str, **more: Any) -> Exec:
    return Exec(**{"api_version": V1, "command": command, "interactive_mode": "Never", **more})


@pytest.mark.parametrize("version", ["v1", "v1beta1"])
@pytest.mark.asyncio
async def test_a_plugin_gives_a_token_and_its_end(script: Callable[[str], str], version: str) -> None:
    version = f"client.authentication.k8s.io/{version}"
    command = script(answer(version, token="abc", expirationTimestamp="2026-11-21T08:00:00Z"))
    status = await exec_plugin.run(plugin(command, api_version=version), "ada", DEV)

    assert status.token == "abc"
    assert (
        status.expiration_timestamp and status.expiration_timestamp.isoformat() == "2026-11-21T08:00:00+00:00"
    )


@pytest.mark.asyncio
async def test_a_plugin_gives_a_client_certificate(script: Callable[[str], str]) -> None:
    command = script(answer(clientCertificateData="CRT", clientKeyData="KEY"))
    login = Login(Access("dev", DEV, UserEntry("ada", exec=plugin(command))))
    certificate = (await login.credentials()).certificate

    assert certificate and (certificate.certificate, certificate.key) == (b"CRT", b"KEY")


@pytest.mark.asyncio
async def test_a_plugin_gets_its_arguments_its_variables_and_no_terminal(
    script: Callable[[str], str],
) -> None:
    command = script(
        "told = json.dumps([sys.argv[1:], os.environ['AWS_PROFILE'], os.environ['PATH'] != '', sys.stdin.read(),"
        " json.loads(os.environ['KUBERNETES_EXEC_INFO'])])\n"
        "print(json.dumps({'apiVersion': '" + V1 + "', 'kind': 'ExecCredential', 'status': {'token': told}}))"
    )
    status = await exec_plugin.run(
        plugin(command, args=("eks", "-x"), env=(("AWS_PROFILE", "dev"),)), "ada", DEV
    )

    assert status.token
    assert json.loads(reveal(status.token)) == [
        ["eks", "-x"],
        "dev",
        True,
        "",
        {"apiVersion": V1, "kind": "ExecCredential", "spec": {"interactive": False}},
    ]


def test_a_plugin_that_asks_for_it_is_told_the_cluster() -> None:
    info = json.loads(exec_plugin.info(plugin("x", provide_cluster_info=True), DEV, b"CA"))

    assert info["spec"]["cluster"] == {
        "server": "https://dev:6443",
        "tls-server-name": "kubernetes",
        "certificate-authority-data": "Q0E=",
        "proxy-url": "http://gate:3128",
        "config": {"audience": "dev"},
    }


@pytest.mark.asyncio
async def test_a_plugin_that_fails_is_quoted(script: Callable[[str], str]) -> None:
    command = script(
        "sys.stderr.write('The SSO session has expired.\\n\\nRun aws sso login.\\n'); sys.exit(254)"
    )

    with pytest.raises(LoginError) as caught:
        await exec_plugin.run(plugin(command, args=("eks",)), "ada", DEV, by_hand="try it by hand: kubectl")

    words = "the login plugin login cannot log in user ada: The SSO session has expired.; Run aws sso login."
    assert caught.value.what == words
    assert caught.value.fix == "try it by hand: kubectl"


@pytest.mark.asyncio
async def test_a_plugin_that_fails_without_a_word_says_its_code(script: Callable[[str], str]) -> None:
    with pytest.raises(LoginError, match="it ended with code 3 and said nothing"):
        await exec_plugin.run(plugin(script("sys.exit(3)")), "ada", DEV)


@pytest.mark.asyncio
async def test_a_plugin_that_is_missing_is_named_with_its_install_hint() -> None:
    missing = plugin("no-such-plugin", install_hint="pip install no-such-plugin")

    with pytest.raises(ToolMissing) as caught:
        await exec_plugin.run(missing, "ada", DEV)
    assert caught.value.what == "cannot log in: no-such-plugin is not installed"
    assert caught.value.fix == "pip install no-such-plugin"
    assert caught.value.exit_code == 8


@pytest.mark.asyncio
async def test_a_plugin_that_may_not_be_run_says_so(tmp_path: Path) -> None:
    (tmp_path / "login").write_text("")

    with pytest.raises(ToolMissing, match="login: Permission denied"):
        await exec_plugin.run(plugin(str(tmp_path / "login")), "ada", DEV)


def alive(pid: int) -> bool:
    with suppress(OSError):
        os.kill(pid, 0)
        return Path(f"/proc/{pid}/stat").read_text().split()[2] != "Z" if Path("/proc").exists() else True
    return False


@pytest.mark.asyncio
async def test_a_plugin_that_hangs_is_ended_with_its_children(
    script: Callable[[str], str], tmp_path: Path
) -> None:
    pids = tmp_path / "pids"
    command = script(
        f"child = os.fork()\nopen({str(pids)!r}, 'a').write(f'{{os.getpid()}}\\n')\ntime.sleep(60)"
    )

    with pytest.raises(LoginError, match=r"the login plugin login has not answered within 3 s"):
        await exec_plugin.run(plugin(command), "ada", DEV, timeout=3)

    started = [int(pid) for pid in pids.read_text().split()]
    assert len(started) == 2
    await until(lambda: not any(alive(pid) for pid in started))


@pytest.mark.asyncio
async def test_a_plugin_that_is_not_needed_any_more_is_ended(
    script: Callable[[str], str], tmp_path: Path
) -> None:
    pids = tmp_path / "pid"
    command = script(f"open({str(pids)!r}, 'w').write(str(os.getpid()))\ntime.sleep(60)")
    task = asyncio.create_task(exec_plugin.run(plugin(command), "ada", DEV))
    await until(lambda: pids.exists() and pids.read_text())
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task

    assert not alive(int(pids.read_text()))


@pytest.mark.asyncio
async def test_an_agent_that_a_plugin_leaves_behind_goes_on_and_delays_nobody(
    script: Callable[[str], str], tmp_path: Path
) -> None:
    """As ssh-agent or a token cache does: it keeps the plugin's stdout open."""
    pid = tmp_path / "pid"
    command = script(
        f"child = os.fork()\nif not child:\n    time.sleep(30)\nopen({str(pid)!r}, 'w').write(str(child))\n"
        + answer(token="abc")
    )
    status = await exec_plugin.run(plugin(command), "ada", DEV, timeout=10)
    agent = int(pid.read_text())
    try:
        assert status.token == "abc"
        assert alive(agent)
    finally:
        os.kill(agent, 9)


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ("print('hello')", "printed no ExecCredential"),
        (answer(), "printed neither a token nor a certificate"),
        (answer(clientCertificateData="CRT"), "printed neither a token nor a certificate"),
        (
            answer("client.authentication.k8s.io/v1beta1", token="x"),
            "printed a ExecCredential of client.authentication.k8s.io/v1beta1 instead of ExecCredential of "
            + V1,
        ),
    ],
)
@pytest.mark.asyncio
async def test_an_answer_that_is_none_is_refused(script: Callable[[str], str], body: str, words: str) -> None:
    with pytest.raises(LoginError, match=words):
        await exec_plugin.run(plugin(script(body)), "ada", DEV)


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ({"api_version": "client.authentication.k8s.io/v1alpha1"}, "which Kubernetes has removed"),
        ({"interactive_mode": "Always"}, "needs a terminal to log in user ada"),
    ],
)
@pytest.mark.asyncio
async def test_a_plugin_that_cannot_work_here_is_not_run(
    script: Callable[[str], str], more: dict[str, Any], words: str
) -> None:
    with pytest.raises(LoginError, match=words):
        await exec_plugin.run(plugin(script("raise AssertionError"), **more), "ada", DEV)


@pytest.mark.asyncio
async def test_one_login_at_a_time_also_with_a_real_plugin(
    script: Callable[[str], str], tmp_path: Path
) -> None:
    log = tmp_path / "log"
    command = script(
        f"open({str(log)!r}, 'a').write('start\\n')\ntime.sleep(0.1)\n"
        f"open({str(log)!r}, 'a').write('end\\n')\n" + answer(token="abc")
    )
    login = Login(Access("dev", DEV, UserEntry("ada", exec=plugin(command))))

    await asyncio.gather(*(login.credentials() for _ in range(5)))

    assert log.read_text().split() == ["start", "end"]


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ("while True: sys.stdout.write('x' * 65536)", "it writes without end"),
        ("while True: sys.stderr.write('error\\n' * 65536)", "it writes without end"),
        ("os.execvp('yes', ['yes'])", "it writes without end"),
        ("os.execvp('sh', ['sh', '-c', 'yes >&2 & wait'])", "it writes without end"),
        ("print('x' * (2 << 20))", "it writes without end"),
        ("sys.stderr.write('w\\n' * (1 << 20)); sys.exit('error: no session')", "error: no session"),
    ],
)
@pytest.mark.asyncio
async def test_what_a_plugin_writes_is_bounded_and_it_is_ended_with_its_group(
    script: Callable[[str], str], tmp_path: Path, body: str, words: str
) -> None:
    pid = tmp_path / "pid"
    command = script(f"open({str(pid)!r}, 'w').write(str(os.getpgid(0)))\n{body}")
    before = rss_bytes()
    async with asyncio.timeout(20):
        with pytest.raises(LoginError, match=words):
            await exec_plugin.run(plugin(command), "ada", DEV)
    assert rss_bytes() - before < 30 << 20
    with pytest.raises(ProcessLookupError):
        for _ in range(200):
            os.killpg(int(pid.read_text()), 0)
            await asyncio.sleep(0.01)


@pytest.mark.asyncio
async def test_what_a_plugin_says_is_told_while_it_runs(script: Callable[[str], str], tmp_path: Path) -> None:
    go = tmp_path / "go"
    command = script(
        "sys.stderr.write('To sign in, open https://x/device\\n'); sys.stderr.flush()\n"
        f"while not os.path.exists({str(go)!r}): time.sleep(0.01)\n"
        "sys.stderr.write('Thank you\\n')\n" + answer(token="abc")
    )
    told: list[bytes] = []
    task = asyncio.create_task(exec_plugin.run(plugin(command), "ada", DEV, told=told.append))
    await until(lambda: told)
    assert told == [b"To sign in, open https://x/device\n"]
    go.touch()
    assert (await task).token == "abc"
    assert told[-1].endswith(b"Thank you\n")


@pytest.mark.asyncio
async def test_a_shell_script_may_write_to_dev_stderr_as_it_does_with_kubectl(
    script: Callable[[str], str],
) -> None:
    lines = "echo one >&2; echo two >/dev/stderr; echo error: three >/dev/stderr; exit 1"
    with pytest.raises(LoginError, match="error: three"):
        await exec_plugin.run(plugin(script(f"os.execvp('sh', ['sh', '-c', {lines!r}])")), "ada", DEV)


@pytest.mark.asyncio
async def test_an_agent_that_goes_on_writing_does_not_die_of_it(
    script: Callable[[str], str], tmp_path: Path
) -> None:
    beats = tmp_path / "beats"
    command = script(
        "if not os.fork():\n"
        "    for beat in range(300):\n"
        "        os.write(2, b'agent: still here\\n' * 1000)\n"
        f"        open({str(beats)!r}, 'w').write(str(beat))\n"
        "    os._exit(0)\n" + answer(token="abc")
    )
    assert (await exec_plugin.run(plugin(command), "ada", DEV)).token == "abc"
    await until(lambda: beats.exists() and beats.read_text() == "299")


@pytest.mark.parametrize(
    "printed",
    [
        "apiVersion: client.authentication.k8s.io/v1\nkind: ExecCredential\nstatus:\n  token: abc\n",
        "---\nkind: ExecCredential\napiVersion: client.authentication.k8s.io/v1\nstatus: {token: abc}\n---\nmore: 1\n",
        "# made by hand\nkind: ExecCredential\napiVersion: client.authentication.k8s.io/v1\nspec: {}\nstatus:\n"
        "  token: 'abc'\n  expirationTimestamp: '2026-11-21T08:00:00Z'\n",
        '{"kind": "ExecCredential", "apiVersion": "client.authentication.k8s.io/v1", "status": {"token": "abc"}}\n\n',
        '{"kind": "ExecCredential", "apiVersion": "client.authentication.k8s.io/v1", "status": {"token": "abc"},}',
    ],
)
@pytest.mark.asyncio
async def test_an_answer_is_json_or_yaml(script: Callable[[str], str], printed: str) -> None:
    status = await exec_plugin.run(plugin(script(f"sys.stdout.write({printed!r})")), "ada", DEV)

    assert status.token == "abc"
    assert "abc" not in repr(status)


@pytest.mark.asyncio
async def test_all_its_lines_are_in_the_log_and_none_can_do_harm(
    script: Callable[[str], str], caplog: pytest.LogCaptureFixture
) -> None:
    body = "sys.stderr.write('one\\n\\x1b[2J\\x1b]0;evil\\x07two\\n\\x00three\\nerror: four\\nfive\\nsix\\n'); sys.exit(1)"
    with caplog.at_level(logging.INFO), pytest.raises(LoginError, match="user ada: error: four"):
        await exec_plugin.run(plugin(script(body)), "ada", DEV)

    said = [record.getMessage().rpartition("ada: ")[2] for record in caplog.records]
    assert said == ["one", "two", r"\x00three", "error: four", "five", "six"]


@pytest.mark.asyncio
async def test_a_token_that_it_quotes_itself_is_not_told(
    script: Callable[[str], str], caplog: pytest.LogCaptureFixture
) -> None:
    body = f"{answer(token='S3CR3T-token')}\nsys.exit('error: cannot store S3CR3T-token, nor hunter2222 of the client')"
    one = plugin(script(body), args=("--client-secret=hunter2222",))
    with caplog.at_level(logging.DEBUG), pytest.raises(LoginError) as caught:
        await exec_plugin.run(one, "ada", DEV)

    assert caught.value.what.endswith("error: cannot store ***, nor *** of the client")
    shown = [redact(record.getMessage()) for record in caplog.records]
    assert not any("S3CR3T" in line or "hunter2222" in line for line in shown)


@pytest.mark.asyncio
async def test_a_machine_that_is_short_of_descriptors_is_not_a_missing_plugin(
    script: Callable[[str], str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse() -> tuple[int, int]:
        raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))

    monkeypatch.setattr("kfw.kube.plugin_output.os.pipe", refuse)
    with pytest.raises(Shortage, match="cannot run the login plugin login: Too many open files"):
        await exec_plugin.run(plugin(script("")), "ada", DEV)


@pytest.mark.asyncio
async def test_a_plugin_whose_interpreter_is_missing_is_not_called_missing(tmp_path: Path) -> None:
    path = tmp_path / "login"
    path.write_text("#!/no/such/python\n")
    path.chmod(0o755)
    with pytest.raises(ToolMissing, match="the interpreter that its first line names"):
        await exec_plugin.run(plugin(str(path)), "ada", DEV)


def descriptors() -> int:
    return len(list(Path("/dev/fd").iterdir()))


@pytest.mark.asyncio
async def test_many_logins_leave_no_descriptor_open(script: Callable[[str], str]) -> None:
    good, bad = plugin(script(answer(token="abc"))), plugin("/no/such")
    await exec_plugin.run(good, "ada", DEV)
    before = descriptors()
    for _ in range(10):
        await exec_plugin.run(good, "ada", DEV)
        with suppress(ToolMissing):
            await exec_plugin.run(bad, "ada", DEV)
        with suppress(LoginError):
            await exec_plugin.run(good, "ada", DEV, timeout=0.001)
    assert descriptors() == before


@pytest.mark.parametrize(
    "printed",
    [
        "'[' * 100_000",
        "'[' * 100_000 + ']' * 100_000",
        "'{\"a\":' * 100_000",
        '\'{"kind": "ExecCredential", "apiVersion": "v1", "spec": \' + \'[\' * 100_000 + \']\' * 100_000 + \'}\'',
        "'a: ' + '{a: ' * 100_000",
        "'- ' * 100_000",
    ],
)
@pytest.mark.asyncio
async def test_an_answer_that_is_nested_too_deeply_is_none(
    script: Callable[[str], str], printed: str
) -> None:
    with pytest.raises(LoginError, match=r"printed no ExecCredential: .{5,200}$"):
        await exec_plugin.run(plugin(script(f"print({printed})")), "ada", DEV)
