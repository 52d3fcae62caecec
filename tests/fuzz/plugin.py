"""Login plugins: what they print, how slowly, what they leave behind, how they end."""

import asyncio
import json
import os
import signal
import sys
from base64 import b64encode
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from kfw.errors import KfwError
from kfw.kube import exec_plugin
from kfw.kube.login import Login
from kfw.kubeconfig.entries import Access, ClusterEntry, Exec, UserEntry
from tests.fuzz import memory, values
from tests.fuzz.area import Area, Case, Finding
from tests.fuzz.yaml_writer import YamlWriter

#: Seconds that a plugin may take, and how much later kfw may be, on a busy machine.
_TIMEOUT, _LATER = 1.0, 4.0
#: Bytes that a plugin may make kfw hold for a while.
_PEAK = 64 << 20
#: Seconds until descriptors and processes of a login that has ended are gone.
_GONE = 3.0
_V1 = "client.authentication.k8s.io/v1"
_PROGRAM = Path(__file__).with_name("plugin_program.py")

Step = list[Any]


async def log_in(plugin: Exec, through_login: bool) -> object:
    """As the daemon does it. Raises KfwError."""
    cluster = ClusterEntry("dev", "https://127.0.0.1:1")
    run = partial(exec_plugin.run, timeout=_TIMEOUT)
    if through_login:
        return await Login(Access("dev", cluster, UserEntry("ada", exec=plugin)), plugin=run).credentials()
    return await run(plugin, "ada", cluster)


class Plugin(Area):
    name = "plugin"

    async def case(self, case: Case) -> None:
        script, variable = case.folder / "steps.json", f"KFW_FUZZ={os.getpid()}-{case.seed}"
        steps = _steps(case)
        script.write_text(json.dumps(steps))
        env = (tuple(variable.split("=")), ("AWS_SECRET_ACCESS_KEY", str(case.mark)))
        plugin = Exec(
            api_version=case.random.choice((_V1, _V1, _V1, f"{_V1}beta1")),
            command=sys.executable,
            args=("-S", "-I", str(_PROGRAM), str(script)),
            env=env,
            provide_cluster_info=case.random.random() < 0.3,
        )
        held, before, began = memory.descriptors(), memory.reset_peak(), asyncio.get_running_loop().time()
        try:
            await _judged(case, plugin)
            took = asyncio.get_running_loop().time() - began
            if took > _TIMEOUT + _LATER:
                raise Finding(f"a login with a limit of {_TIMEOUT:g} s takes {took:.1f} s")
            if (most := memory.peak() - before) > _PEAK:
                raise Finding(f"a plugin makes kfw hold {most >> 20} MB")
            if not _may_stay(steps):
                await _until(lambda: list(memory.processes_with(variable)), "a process of it still runs")
        finally:
            for pid in memory.processes_with(variable):
                os.kill(pid, signal.SIGKILL)
        await _until(lambda: _new_descriptors(held), "something of it is still open")


async def _judged(case: Case, plugin: Exec) -> None:
    try:
        given = await log_in(plugin, case.random.random() < 0.5)
    except KfwError as error:
        case.must_not_show("an error about a login", f"{error.what}\n{error.fix}\n{error!r}")
        if len(error.what) + len(error.fix) > 5000:
            raise Finding(f"an error about a login has {len(error.what)} characters") from error
    else:
        case.must_not_show("the repr of credentials", repr(given))


def _may_stay(steps: list[Step]) -> bool:
    """A plugin that ended may leave an agent; of one that was ended stays only who left its session."""
    ended_itself = steps[-1][0] in ("exit", "kill")
    return any(step[0] == "child" and (ended_itself or step[2]) for step in steps)


async def _until(left: Callable[[], object], what: str) -> None:
    """An agent may keep its pipes, so descriptors are looked at when it has gone."""
    end = asyncio.get_running_loop().time() + _GONE
    while still := left():
        if asyncio.get_running_loop().time() > end:
            raise Finding(f"after a login {what}\n{still}")
        await asyncio.sleep(0.02)


def _new_descriptors(held: dict[int, str]) -> list[str]:
    return sorted(of for fd, of in memory.descriptors().items() if held.get(fd) != of)


# -- what a plugin does


def _steps(case: Case) -> list[Step]:
    random = case.random
    steps: list[Step] = [["ignore"]] if random.random() < 0.2 else []
    if random.random() < 0.15:
        steps.append(["child", random.random() < 0.5, random.random() < 0.5])
    if random.random() < 0.6:
        steps += _pieces(case, 2, _complaint(case))
    if random.random() < 0.9:
        steps += _pieces(case, 1, _answer(case))
    match random.randrange(16):
        case 0:
            steps.append(["endless", random.choice((1, 2)), b64encode(_filling(case)).decode()])
        case 1:
            steps.append(["sleep", 15])
        case 2:
            steps += [["close", random.choice((1, 2))], ["sleep", 15]]
        case 3:
            steps.append(["read"])
        case 4:
            steps.append(
                ["kill", random.choice((signal.SIGSTOP, signal.SIGKILL, signal.SIGSEGV, signal.SIGTERM))]
            )
        case _:
            pass
    last = random.choice((0, 0, 0, 0, 1, 2, 127, 255))
    return steps if steps and steps[-1][0] in ("kill", "sleep") else [*steps, ["exit", last]]


def _pieces(case: Case, fd: int, data: bytes) -> list[Step]:
    """At once, or in pieces over time."""
    count = case.random.choice((1, 1, 1, 2, 5))
    size = len(data) // count + 1
    pause = 0 if count == 1 else case.random.choice((0, 0.01, 0.3))
    parts = [data[at : at + size] for at in range(0, len(data), size)]
    return [["write", fd, b64encode(part).decode(), 1, pause] for part in parts]


def _filling(case: Case) -> bytes:
    return case.random.choice(
        (b"x", b"x\n", b"\0", b"[", f"token: {case.mark}\n".encode(), b"\xff\xfe", b"\x1b[2J\n")
    )


def _answer(case: Case) -> bytes:
    random, good = case.random, _credential(case)
    match random.randrange(10):
        case 0:
            return values.json_bytes(good)
        case 1:
            return (
                YamlWriter(random, str(case.mark), random.choice((0, 0.1, 0.4)))
                .document(good)
                .encode(errors="replace")
            )
        case 2:
            return values.bytes_changed(random, values.json_bytes(good), random.randrange(1, 6))
        case 3:
            return values.deep_json(random, random.choice((100, 2000, 100_000)))
        case 4:
            return random.choice(
                (b"", b"null", b"\n", b"[]", b"Logged in.\n" + values.json_bytes(good), b"{" * 1_000_000)
            )
        case 5:
            return values.json_bytes(good) * random.choice((2, 50)) + b"\n"
        case 6:
            return values.json_bytes(good)[: random.randrange(300)]
        case 7:
            good["status"]["token"] += random.choice(("x" * 3_000_000, "x" * 100_000))
            return values.json_bytes(good)
        case _:
            return values.json_bytes(
                values.mutate(random, good, random.randrange(1, 5), lambda path, _: path[-1:] == ("token",))
            )


def _credential(case: Case) -> dict[str, Any]:
    random, mark = case.random, case.mark
    key = f"-----BEGIN PRIVATE KEY-----\n{mark}\n-----END PRIVATE KEY-----\n"
    every = {
        "token": random.choice(
            (
                f"{mark}",
                f"{mark}{values.text(random)}",
                f"{values.text(random)}{mark}",
                f"{mark}\n",
                f"é{mark}",
            )
        ),
        "expirationTimestamp": random.choice(_TIMES),
        "clientCertificateData": random.choice(
            ("-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n", "x", "\0")
        ),
        "clientKeyData": key,
    }
    names = ["token", *random.sample(sorted(every), random.randrange(len(every) + 1))]
    return {
        "apiVersion": _V1,
        "kind": "ExecCredential",
        "spec": {},
        "status": {name: every[name] for name in names},
    }


_TIMES = (
    *(
        "2099-01-01T00:00:00Z",
        "1970-01-01T00:00:00Z",
        "0001-01-01T00:00:00Z",
        "9999-12-31T23:59:59+14:00",
        "2099-01-01",
    ),
    *(
        "2099-01-01T00:00:00.123456789Z",
        "0001-01-01T00:00:00+23:59",
        "2099-01-01 00:00:00",
        "never",
        "",
        1,
        None,
        "2099-02-30T00:00:00Z",
    ),
)


def _complaint(case: Case) -> bytes:
    """Words of a plugin, with the secret that it has where programs show it."""
    random, mark = case.random, case.mark
    lines = [
        random.choice(
            (
                "error: the session has expired",
                f"token={mark}",
                f"Authorization: Bearer {mark}",
                f"curl -u joe --client-secret {mark}",
                f"https://joe:{mark}@idp.example/token?x=1",
                f"GET https://idp.example/cb?code={mark}&state=1",
                f'{{"access_token":"{mark}","x":1}}',
                f"AWS_SECRET_ACCESS_KEY={mark}",
                f"password: '{mark}'",
                f"To sign in, open https://idp.example/device and enter the code {random.randrange(10**6)}",
                values.text(random),
                "x" * random.choice((10, 10_000, 2_000_000)),
            )
        )
        for _ in range(random.choice((0, 1, 2, 5, 300)))
    ]
    return random.choice(("\n", "\n", "\r\n", "\r", "\x0b")).join(lines)[: 3 << 20].encode(errors="replace")
