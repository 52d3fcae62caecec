"""The quick start as it is, with the real kfw: an empty home, and free ports in place of the five well-known ones."""

import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import yaml

from tests.real.running import KFW, Kfw, until
from tests.real.talk import free_ports, get
from tests.scripts.conftest import ROOT

Done = subprocess.CompletedProcess[str]


class QuickStart:
    def __init__(self, kfw: Kfw, env: Mapping[str, str]) -> None:
        self.kfw = kfw
        self._env = {**kfw.env, "VENV": str(KFW.parents[1]), **env}
        self._config = kfw.folder / "five.yaml"
        self._config.write_text(yaml.safe_dump(_on_free_ports()))

    def run(self, script: str, *options: str) -> Done:
        argv = [str(ROOT / "quick-start" / script), *options, "--config", str(self._config)]
        done = subprocess.run(
            argv,
            stdin=subprocess.DEVNULL,
            env=self._env,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return done

    def bootstrap(self) -> Done:
        return self.run("bootstrap.sh", "--yes")


def five_services_come_up_and_stay_and_stop(quick_start: QuickStart, end: Sequence[str]) -> Done:
    """What both kinds of cluster must show; `end` is the script that ends it. Returns the first run."""
    kfw, first = quick_start.kfw, quick_start.bootstrap()
    urls = dict(line.split("\t") for line in first.stdout.splitlines())
    apps = {name: get(url)["pod"].rsplit("-", 2)[0] for name, url in urls.items()}
    assert apps == {name: name for name in _on_free_ports()["portForwards"]}  # each from the right backend
    before = kfw.processes()
    second = quick_start.bootstrap()
    assert second.stdout == first.stdout
    assert "bootstrap: nothing changed\n" in second.stderr
    assert kfw.processes() == before
    quick_start.run(*end)
    # The daemon ends when its last forward is down, a moment after the script.
    until(lambda: not kfw.processes(), 5, lambda: f"all has ended, but {kfw.processes()}")
    return first


@contextmanager
def quick_start(kubeconfig: Path | str = "", **env: str) -> Iterator[QuickStart]:
    kfw = Kfw(kubeconfig)
    try:
        yield QuickStart(kfw, env)
    finally:
        kfw.close()


def _on_free_ports() -> dict[str, dict[str, dict[str, object]]]:
    wanted: dict[str, dict[str, dict[str, object]]] = yaml.safe_load(
        (ROOT / "quick-start/kfw.yaml").read_text()
    )
    forwards = wanted["portForwards"]
    for forward, port in zip(forwards.values(), free_ports(len(forwards)), strict=True):
        forward["localPort"] = port
    return wanted
