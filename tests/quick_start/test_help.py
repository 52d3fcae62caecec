"""Every script tells what it does, and does nothing else meanwhile."""

import subprocess
from pathlib import Path

import pytest

from tests.quick_start.engine import ROOT

SCRIPTS = [
    file
    for file in [*(ROOT / "quick-start").glob("*.sh"), *(ROOT / "scripts").glob("image*.sh")]
    if file.name not in ("kfw.sh", "entrypoint.sh")  # sourced by the others; of the image, see test_image.py
]


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda script: script.name)
@pytest.mark.parametrize("asked", ["--help", "-h"])
def test_B1_help_is_the_scripts_own_text_and_nothing_is_made(
    script: Path, asked: str, tmp_path: Path
) -> None:
    done = subprocess.run(
        [script, asked],
        env={"PATH": "/usr/bin:/bin", "HOME": str(tmp_path), "VENV": str(tmp_path / "venv")},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=20,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("usage: ") and script.name in done.stdout.splitlines()[0]
    assert len(done.stdout.splitlines()) < 40
    assert list(tmp_path.iterdir()) == []


#: What the seed's scripts were told by the environment, and the option of the same meaning.
VARIABLES = {
    "bootstrap.sh": {
        "VERBOSE": "--verbose",
        "SKIP_KIND": "--skip-kind",
        "SKIP_OPENCHOREO": "--skip-openchoreo",
        "AUTO_PORT_FORWARD": "--no-port-forward",
        "MINIMAL_MODE": "--minimal",
        "CLUSTER_NAME": "--cluster-name",
        "WORKER_NODE": "--worker-node",
        "AMP_NS": "",
        "OBSERVABILITY_NS": "",
        "DATA_PLANE_NS": "",
    },
    "port-forward.sh": {
        "VERBOSE": "--verbose",
        "CLUSTER_NAME": "--cluster-name",
        "WORKER_NODE": "--worker-node",
        "AMP_NS": "",
        "OBSERVABILITY_NS": "",
        "DATA_PLANE_NS": "",
    },
}


@pytest.mark.parametrize("script", VARIABLES)
def test_B1_each_stage_has_its_option_and_its_variable_in_the_help(script: str) -> None:
    text = (ROOT / "quick-start" / script).read_text().partition("set -eu")[0]
    for variable, option in VARIABLES[script].items():
        line = next((line for line in text.splitlines() if variable in line), "")
        assert line and option in line, variable
