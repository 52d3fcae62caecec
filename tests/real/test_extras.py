"""What kfw has beside forwards, with forwards to the rig's demo that carry streams meanwhile: defaults at a URL, pages of
forwards and their processes, the check for a newer version, profiles. On the sandbox and in more detail: tests/whole."""

import os
import pstats
import shutil
import xml.etree.ElementTree as ET
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

import kfw
from kfw import __version__
from kfw.system.installation import DISTRIBUTION
from tests.config.https_files import HttpsFiles, serving_files, team_defaults
from tests.real import talk
from tests.real.rig import Rig
from tests.real.running import until
from tests.real.witness import counted_numbers, endless_bytes, witness
from tests.stubs import Stubs
from tests.stubs.engine import Engine
from tests.system.index_server import serving_index
from tests.tui.tmux import KFW, terminal
from tests.whole.forward_page import get, is_alive, is_served, page_of, port_of
from tests.whole.program import Entry, Program, kill

WEB: Entry = {"target": "service/web", "namespace": "demo", "method": "tunnel"}
GRPC: Entry = {"target": "service/grpc", "namespace": "demo", "method": "tunnel", "type": "rpc"}
#: grpcui needs Go to be had, so it is a stub here, which says a word, takes the port that it is given, and answers.
GRPCUI = ({"err": "stub: asks the server"}, {"listen": "-port"}, {"serve": "http"}, {"sleep": 1000})
MakeCli = Callable[..., Program]


# -- defaults at a URL


@pytest.fixture
def site(tmp_path: Path) -> Iterator[HttpsFiles]:
    with pytest.MonkeyPatch.context() as patch, serving_files(tmp_path, patch) as made:
        yield made


def test_A15_defaults_at_a_url_lead_to_the_demo_and_what_becomes_of_them_is_not_felt(
    site: HttpsFiles, rig: Rig, make_cli: MakeCli, free_port: int, tmp_path: Path
) -> None:
    path = "/team.yaml"
    good = team_defaults("demo", free_port)
    site.files[path] = good
    url = site.url(path)
    cli = make_cli(rig.kubeconfig, SSL_CERT_FILE=str(tmp_path / "ca.crt"), KFW_CONFIG_URL=url)
    until(lambda: cli("up", code=None).returncode == 0, 120, cli.log)
    assert talk.pod_behind(free_port).startswith("web-")
    assert f"defaults at {url}\n" in cli("status").stdout
    assert f"remote {url}:2" in cli("config", "show", "--origin").stdout

    def falls_back(why: str) -> None:
        """To what was fetched before, and says why."""
        said = cli("up").stderr
        assert f"the config at {url} is not used: " in said
        assert why in said
        assert "the earlier copy is used" in said
        (layer,) = cli.json("status")["remoteDefaults"]
        assert (layer["url"], layer["state"]) == (url, "old")
        assert cli.status("web")["status"] == "active"

    seq = cli.seq()
    with witness(endless_bytes(free_port)):
        site.status = 500
        falls_back("it is answered with 500")
        site.status = 200
        for bad, why in (
            (b"portForwards: {", f"{url}:1"),
            (b"portForwards: {}\n", "it has no portForwards, name at least one"),
            (b"portForwards: [1]\n", "portForwards"),
            (good.replace(b"localPort: ", b"localPort: 1000000"), "localPort"),
            (b"\xff\xfe\x00", "UTF-8"),
            (b"#" * (2 << 20), "larger"),
        ):
            site.files[path] = bad
            falls_back(why)
        site.files[path] = good
        cli("up")
        assert cli.json("status")["remoteDefaults"][0]["state"] == "current"
        site.gone = True
        falls_back("cannot ask")
    assert {row["status"] for row in cli.history("web", seq)} <= {"active"}

    for file in (cli.home / "cache" / "remote").glob("*"):
        file.unlink()
    without = cli("up", code=2)  # nothing else is configured
    assert "kfw continues without it" in without.stderr
    assert cli.json("config", "show", "--config-url", "")["portForwards"] == {}


# -- pages


@contextmanager
def stubs_on_path(folder: Path) -> Iterator[tuple[Stubs, Engine, dict[str, str]]]:
    """grpcui and docker, and the environment in which kfw finds them. The test's own tools stay what they are."""
    with pytest.MonkeyPatch.context() as patch:
        (folder / "stubs").mkdir()
        stubs, engine = Stubs(folder / "stubs", patch), Engine(folder / "engine", patch)
        env = {"PATH": os.environ["PATH"], "KFW_STUBS": str(stubs.home), "KFW_ENGINE": str(engine.home)}
    try:
        yield stubs, engine, {**env, "KFW_IN_CONTAINER": "0"}
    finally:
        engine.close()


def test_A18_grpcui_in_front_of_the_demos_grpc_comes_back_after_a_kill_and_is_not_felt(
    rig: Rig, make_cli: MakeCli, free_port: int, tmp_path: Path
) -> None:
    with stubs_on_path(tmp_path) as (stubs, _, env):
        stubs.script("grpcui", {"wait_for": "go"}, *GRPCUI)
        cli = make_cli(rig.kubeconfig, **env)
        cli.up({"grpc": {**GRPC, "localPort": free_port}})
        assert page_of(cli, "grpc", status="starting")["ui"]["url"] is None
        with witness(counted_numbers(free_port)):
            stubs.go("go")
            url = page_of(cli, "grpc", status="active", kind="grpc")["ui"]["url"]
            assert port_of(url) >= 9200
            assert get(url)[2] == b"stub"
            assert f"gRPC UI: {url}" in cli("status").stdout
            (call,) = stubs.calls("grpcui")
            assert call.argv[-1] == f"127.0.0.1:{free_port}"
            assert "grpc: grpcui stderr: stub: asks the server" in cli("logs", "grpc").stdout
            seq = cli.seq()
            kill([call.pid])
            until(lambda: len(stubs.calls("grpcui")) == 2, 30, cli.log)
            assert page_of(cli, "grpc", status="active")["ui"]["url"] == url
            until(lambda: is_served(url), 30, cli.log)
            assert {row["status"] for row in cli.history("grpc", seq)} <= {"active"}
            assert cli.status("grpc")["restarts"] == 0
        cli("down", "grpc")
        until(lambda: not is_alive(stubs.calls("grpcui")[1].pid), 10, cli.log)
        assert not is_served(url)


def test_A18_A20_with_all_extras_on_what_is_killed_comes_back_and_no_stream_lacks_a_byte(
    rig: Rig, make_cli: MakeCli, free_ports: Callable[[int], list[int]], tmp_path: Path
) -> None:
    """Pages of each kind, taps, the page of all forwards, metrics and notices, and a profile of it all."""
    names = ("swagger", "container", "grpcui", "own")
    ports = dict(zip(names, free_ports(4), strict=True))
    rest: Entry = {**WEB, "type": "rest", "swaggerPath": "openapi.json"}
    entries: dict[str, Entry] = {
        "swagger": rest,
        "container": {**rest, "ui": "docker"},
        "grpcui": {**GRPC, "ui": "grpcui"},
        "own": {**GRPC, "ui": "own"},
    }
    with stubs_on_path(tmp_path) as (stubs, engine, env), ExitStack() as streams:
        stubs.script("grpcui", *GRPCUI)
        cli = make_cli(rig.kubeconfig, **env)
        cli.up({name: {**entry, "localPort": ports[name]} for name, entry in entries.items()})
        cli("web", "--print")
        urls = {name: page_of(cli, name, status="active")["ui"]["url"] for name in names}
        seen = {
            name: streams.enter_context(
                witness((endless_bytes if entries[name]["type"] == "rest" else counted_numbers)(ports[name]))
            )
            for name in names
        }
        taps = [cli.popen("tap", name) for name in names]
        seq = cli.seq()
        for word, name in (
            ("/grpcui", "grpcui"),
            ("grpc_ui.page_process", "own"),
            ("kpf-swagger-container", "container"),
        ):
            (before,) = cli.children(word)
            kill([before])

            def another(word: str = word, before: int = before) -> bool:
                return cli.children(word) not in ([], [before])

            until(another, 60, cli.log)
            assert page_of(cli, name, status="active")["ui"]["url"] == urls[name]
            until(lambda name=name: is_served(urls[name]), 60, cli.log)  # type: ignore[misc]
        for tap in taps:
            tap.kill()
            tap.communicate()
        for name in names:
            now = seen[name]()
            until(lambda name=name, now=now: seen[name]() > now, 30, lambda name=name: f"{name} goes on")  # type: ignore[misc]
            assert {row["status"] for row in cli.history(name, seq)} <= {"active"}
            assert cli.status(name)["restarts"] == 0
        rss = cli.daemon()["rssBytes"]
        print(f"the daemon with all extras and four streams: {rss / 1e6:.1f} MB")
        assert rss < 55_000_000
        streams.close()
        cli("down", *names)
        until(lambda: not cli.children("grpc"), 10, cli.log)
        assert engine.containers() == []


# -- the check for a newer version


def test_A21_an_installed_kfw_that_forwards_to_the_demo_hears_of_a_newer_version_once_a_day(
    cli: Program, free_port: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As pip leaves it, in a folder of its own: a checkout is told of none."""
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY", "CI", "KFW_NO_UPDATE_CHECK"):
        monkeypatch.delenv(name, raising=False)
        cli.env.pop(name, None)
    package = Path(kfw.__file__).parent
    shutil.copytree(package, tmp_path / "site" / "kfw", ignore=shutil.ignore_patterns("__pycache__"))
    installed = tmp_path / "site" / f"{DISTRIBUTION.replace('-', '_')}-{__version__}.dist-info"
    installed.mkdir()
    (installed / "METADATA").write_text(f"Name: {DISTRIBUTION}\nVersion: {__version__}\n")
    (installed / "INSTALLER").write_text("pip\n")
    cli.configure({"web": {**WEB, "localPort": free_port}})
    with serving_index() as index:
        index.has("9.0.0", "10.0rc1")
        own = {"PYTHONPATH": str(tmp_path / "site"), "UV_DEFAULT_INDEX": index.url}
        cli.env |= own
        shown = {name: cli.env[name] for name in ("HOME", "KFW_HOME", "KUBECONFIG", "KFW_LOOP")}
        with terminal(cli.folder, size=(140, 30), **shown, **own) as screen:
            screen.type(f"cd {cli.project}; {KFW} up; echo done=$?")
            screen.wait_for("done=0")
            until(lambda: index.asked, 60, lambda: "the index is asked")
            until((cli.home / "cache" / "newer-version").exists, 60, lambda: "the answer is kept")
            screen.clear()
            for _ in range(2):
                screen.type(f"{KFW} status; {KFW} up; echo done=$?")
                words = screen.wait_for("done=0", "kfw 9.0.0 is available")
                assert "pip install --upgrade" in words
                screen.clear()
        assert len(index.asked) == 1
        assert talk.pod_behind(free_port).startswith("web-")
        assert cli.json("update", "--check", code=1)["latest"] == "9.0.0"
        index.files.clear()
        index.has(__version__, "0.0.1")
        assert cli.json("update", "--check")["newer"] is False


# -- profiles


def test_A22_profiles_of_a_daemon_whose_forwards_carry_streams_name_what_ran(
    cli: Program, free_ports: Callable[[int], list[int]]
) -> None:
    web, grpc = free_ports(2)
    cli.up({"web": {**WEB, "localPort": web}, "grpc": {**GRPC, "ui": "none", "localPort": grpc}})
    cpu, memory = cli.project / "kfw.pstats", cli.project / "kfw.mem"
    seq = cli.seq()
    with witness(endless_bytes(web)), witness(counted_numbers(grpc)):
        with talk.asking(f"http://127.0.0.1:{web}/slow?ms=20"):
            told = cli.json("perf", "--duration", "5s", "--cpuprofile", str(cpu), "--memprofile", str(memory))
    assert {row["status"] for row in cli.history("web", seq)} <= {"active"}
    ran = {name for file, _, name in pstats.Stats(str(cpu)).stats if "/kfw/" in file}  # type: ignore[attr-defined]
    drawn = " ".join(ET.parse(f"{cpu}.svg").getroot().itertext())
    assert {"serve", "data_received"} <= ran
    assert {name for name in ran if name in drawn} >= {"serve", "data_received"}
    assert told["cpu"]["samples"] > told["cpu"]["idle"] > 0
    assert told["cpu"]["processorSeconds"] > 0
    assert "resident" in memory.read_text()
    assert ".py:" in memory.read_text()
    (found,) = (one for one in told["openings"] if one["forward"] == "web")
    assert found["connections"] >= 2
    assert found["lost"] == 0
    for stage in ("accept", "wait", "dial", "firstByte"):
        assert 0 <= found[stage]["median"] <= found[stage]["p99"] <= found[stage]["longest"]
    assert found["firstByte"]["median"] >= 0.02  # what the app takes
