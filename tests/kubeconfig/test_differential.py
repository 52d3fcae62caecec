"""Kubeconfigs go through kubectl and through kfw, to one recording server: the same requests, or a listed difference."""

import asyncio
import os
import re
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from kfw.errors import KfwError
from kfw.kube.api_server import ApiServer
from kfw.kube.login import Login
from kfw.kube.timeouts import Timeouts
from kfw.kubeconfig.load import Kubeconfigs
from kfw.kubeconfig.pin import pin
from kfw.model import Forward, Target
from tests.kube import certificates
from tests.kubeconfig.corpus import Case, cases
from tests.kubeconfig.differences import DIFFERENCES, Kind
from tests.kubeconfig.recorder import Recorder, Seen, recording
from tests.sandbox.kubectl import needs_kubectl

#: Runs of kubectl at a time, and seconds that one may take.
AT_A_TIME, PATIENCE = 4, 10.0


@dataclass(frozen=True)
class Outcome:
    """The distinct requests that came, or why there were none that count."""

    requests: frozenset[Seen]
    refusal: str = ""
    says_where: bool = True


def compare(kubectl: Outcome, kfw: Outcome) -> Kind | None:
    if kubectl.refusal:
        return None if kfw.refusal else "kfw goes on"
    if kfw.refusal:
        return "kfw refuses"
    return None if kubectl.requests == kfw.requests else "other request"


@needs_kubectl
@pytest.mark.asyncio
async def test_kfw_asks_as_kubectl_does_or_the_difference_is_listed_with_its_reason(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for variable in [name for name in os.environ if name.lower().endswith("_proxy")]:
        monkeypatch.delenv(variable)
    every = cases()
    room, alone = asyncio.Semaphore(AT_A_TIME), asyncio.Lock()

    async def both(number: int, case: Case) -> str | None:
        async with room, _laid_out(tmp_path / str(number), case) as (recorder, file, env):
            kubectl = await _by_kubectl(recorder, file, env)
            async with alone:  # the environment is the whole process's
                kfw = await _by_kfw(recorder, file, env, monkeypatch)
        return judge(case.name, kubectl, kfw)

    found = await asyncio.gather(*(both(number, case) for number, case in enumerate(every)))
    problems = [words for words in found if words]
    unknown = DIFFERENCES.keys() - {case.name for case in every}

    assert len(every) >= 120
    assert not problems, "\n".join(problems)
    assert not unknown


def judge(name: str, kubectl: Outcome, kfw: Outcome) -> str | None:
    """What is wrong: a difference that is not listed, or one that is listed and not there."""
    if not kfw.says_where:
        return f"{name}: neither file nor line: {kfw.refusal}"
    kind, (listed, _) = compare(kubectl, kfw), DIFFERENCES.get(name, (None, ""))
    if kind == listed:
        return None
    return f"{name}: {kind}, listed as {listed}\n  kubectl: {kubectl}\n  kfw: {kfw}"


@asynccontextmanager
async def _laid_out(folder: Path, case: Case) -> AsyncIterator[tuple[Recorder, Path, Mapping[str, str]]]:
    _write_files(folder)
    async with recording() as recorder:
        fill = _fill(recorder.ports)
        text = case.text.encode() if isinstance(case.text, str) else case.text
        utf16 = text.startswith(b"\xff\xfe") or b"\0" in text[:4]
        for key, value in fill.items():
            text = text.replace(*(word.encode("utf-16-le" if utf16 else "utf-8") for word in (key, value)))
        (folder / "config").write_bytes(text)
        env = {name: _filled(value, fill) for name, value in case.env.items()}
        yield recorder, folder / "config", env


def _write_files(folder: Path) -> None:
    folder.mkdir()
    ada = certificates.pair("ada")
    files = {"ca.crt": certificates.ca(), "ada.crt": ada.certificate, "ada.key": ada.key, "token": b"filed\n"}
    for name, content in files.items():
        (folder / name).write_bytes(content)


def _fill(ports: Mapping[str, int]) -> dict[str, str]:
    urls = {
        "@HTTP@": f"http://127.0.0.1:{ports['http']}",
        "@HTTPS@": f"https://127.0.0.1:{ports['https']}",
        "@MTLS@": f"https://127.0.0.1:{ports['mtls']}",
        "@PROXY@": f"http://127.0.0.1:{ports['http-proxy']}",
        "@SPROXY@": f"https://127.0.0.1:{ports['https-proxy']}",
        "@SOCKS@": f"socks5://127.0.0.1:{ports['socks']}",
    }
    return urls | {f"@{kind}-PORT@": str(port) for kind, port in ports.items()}


def _filled(text: str, fill: Mapping[str, str]) -> str:
    for key, value in fill.items():
        text = text.replace(key, value)
    return text


async def _by_kubectl(recorder: Recorder, file: Path, env: Mapping[str, str]) -> Outcome:
    """`version` makes one request with the login, to a path below the server's; some builds look at it once before."""
    child = await asyncio.create_subprocess_exec(
        *("kubectl", "version", "--kubeconfig", str(file), "--request-timeout=5s"),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.PIPE,
        env={"PATH": os.environ["PATH"], "HOME": str(file.parent), **env},
    )
    try:
        async with asyncio.timeout(PATIENCE):
            words = (await child.communicate())[1].decode(errors="replace").strip()
    except TimeoutError:
        child.kill()
        await child.communicate()
        return Outcome(frozenset(), "it does not answer")
    requests = _take(recorder)
    return Outcome(requests, "" if child.returncode == 0 else words or "it failed")


async def _by_kfw(
    recorder: Recorder, file: Path, env: Mapping[str, str], monkeypatch: pytest.MonkeyPatch
) -> Outcome:
    with monkeypatch.context() as patch:
        for name, value in env.items():
            patch.setenv(name, value)
        patch.setenv("HOME", str(file.parent))
        try:
            await _ask(file)
        except KfwError as error:
            return Outcome(_take(recorder), f"{error.reason}: {error.what}", _says_where(error))
    return Outcome(_take(recorder))


def _says_where(error: KfwError) -> bool:
    """File and line; but nothing has a line where there is no context, and what the environment says has none."""
    if error.reason != "bad-config":
        return True
    others = ("no cluster is configured", "no context is named", "_PROXY", "/config")
    return bool(re.search(r"/config:\d+: ", error.what)) or any(x in error.what + error.fix for x in others)


async def _ask(file: Path) -> None:
    wanted = Forward(name="x", target=Target.parse("service/x"), target_port=80, local_port=1, namespace="")
    (pinned,) = pin([wanted], str(file))
    access = await Kubeconfigs().access(pinned.kubeconfig, pinned.context)
    server = ApiServer(access, Login(access), replace(Timeouts(), answer=5.0), lambda: None)
    session = server.session()
    try:
        await session.read("/version")
    finally:
        server.close_session(session)


def _take(recorder: Recorder) -> frozenset[Seen]:
    seen, recorder.seen = recorder.seen, []
    return frozenset(replace(one, target=one.target.partition("?")[0]) for one in seen)


ASKED, NOTHING = frozenset({Seen("/version", "a")}), frozenset[Seen]()
LISTED = "an http server through a proxy"  # as another request


@pytest.mark.parametrize(
    ("name", "kubectl", "kfw", "good"),
    [
        ("x", Outcome(ASKED), Outcome(ASKED), True),
        ("x", Outcome(NOTHING, "no"), Outcome(NOTHING, "no, in other words"), True),
        ("x", Outcome(ASKED), Outcome(frozenset({Seen("/version", "b")})), False),
        ("x", Outcome(ASKED), Outcome(NOTHING, "no"), False),
        ("x", Outcome(NOTHING, "no"), Outcome(ASKED), False),
        ("x", Outcome(NOTHING, "no"), Outcome(NOTHING, "no", says_where=False), False),
        (LISTED, Outcome(ASKED), Outcome(frozenset({Seen("/version", "b")})), True),
        (LISTED, Outcome(ASKED), Outcome(ASKED), False),
        (LISTED, Outcome(ASKED), Outcome(NOTHING, "no"), False),
    ],
)
def test_a_difference_that_is_not_listed_fails_and_so_does_one_that_is_gone(
    name: str, kubectl: Outcome, kfw: Outcome, good: bool
) -> None:
    assert (judge(name, kubectl, kfw) is None) is good
