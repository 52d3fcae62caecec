"""How kfw was installed, told by what each way leaves behind, and the line that brings an extra into it."""

import json
import sys
from pathlib import Path

import pytest

from kfw.system.installation import (
    InstallationTraces,
    Installer,
    extra_hint,
    how_to_get,
    installer_of,
    one_file,
    requirements_of,
    this_installation,
)
from tests.other_user import ROOT

EDITABLE = json.dumps({"dir_info": {"editable": True}, "url": "file:///home/ada/kfw"})
FOLDER = json.dumps({"dir_info": {}, "url": "file:///home/ada/kfw"})
REQUIRES = (
    "typer<0.29,>=0.26",
    "grpcio>=1.74; extra == 'dev'",
    "grpcio>=1.74; extra == 'grpc'",
    'uvloop>=0.21; (sys_platform != "win32") and extra == "fast"',
)
#: What is left behind by each way, as it was seen on machines.
LEFT = {
    Installer.PIP: InstallationTraces("/home/ada/venv/lib/python3.12/site-packages/kfw", installer="pip\n"),
    Installer.PIPX: InstallationTraces(
        "/home/ada/.local/share/pipx/venvs/kfw-cli/lib/python3.12/site-packages/kfw",
        marks=frozenset({"pipx_metadata.json"}),
        installer="pip\n",
    ),
    Installer.UV: InstallationTraces(
        "/home/ada/.local/share/uv/tools/kfw-cli/lib/python3.12/site-packages/kfw",
        marks=frozenset({"uv-receipt.toml"}),
        installer="uv",
    ),
    Installer.BREW: InstallationTraces(
        "/opt/homebrew/Cellar/kfw/0.1.0/libexec/lib/python3.13/site-packages/kfw", installer="brew\n"
    ),
    Installer.NIX: InstallationTraces("/nix/store/0c1s-kfw-0.1.0/lib/python3.12/site-packages/kfw"),
    Installer.DEB: InstallationTraces("/usr/lib/kfw/lib/python3.11/site-packages/kfw", installer="dpkg\n"),
    Installer.ZIPAPP: InstallationTraces(
        "/home/ada/.cache/pex/venvs/1/3c1f/lib/python3.12/site-packages/kfw",
        marks=frozenset({"PEX-INFO"}),
        installer="pex\n",
    ),
    Installer.EDITABLE: InstallationTraces("/home/ada/kfw/kfw", installer="pip\n", direct_url=EDITABLE),
    Installer.SOURCE: InstallationTraces("/home/ada/kfw/kfw", installed=False),
}
HINTS = {
    Installer.PIP: "/py -m pip install 'grpcio>=1.74'",
    Installer.PIPX: "pipx inject kfw-cli 'grpcio>=1.74'",
    Installer.UV: "uv pip install --python /py 'grpcio>=1.74'",
    Installer.BREW: "install kfw again: its brew package has 'grpcio>=1.74'",
    Installer.NIX: "install kfw again: its nix package has 'grpcio>=1.74'",
    Installer.DEB: "install kfw again: its deb package has 'grpcio>=1.74'",
    Installer.ZIPAPP: "install kfw again: its zipapp package has 'grpcio>=1.74'",
    Installer.EDITABLE: "/py -m pip install 'grpcio>=1.74'",
    Installer.SOURCE: "/py -m pip install --editable '/home/ada/kfw[grpc]'",
}


def with_requirements(traces: InstallationTraces) -> InstallationTraces:
    requires = REQUIRES if traces.installed else ()
    return InstallationTraces(
        traces.package, traces.marks, traces.installed, traces.installer, traces.direct_url, requires
    )


def test_every_way_has_an_example_and_a_hint() -> None:
    assert set(LEFT) == set(HINTS) == set(Installer)


@pytest.mark.parametrize("how", Installer)
def test_each_way_is_told_by_what_it_leaves(how: Installer) -> None:
    assert installer_of(LEFT[how]) is how


@pytest.mark.parametrize("how", Installer)
def test_a_missing_extra_comes_with_the_line_of_the_way_that_was_taken(how: Installer) -> None:
    assert extra_hint("grpc", with_requirements(LEFT[how]), "/py") == HINTS[how]


def test_an_installation_from_a_folder_is_editable_only_if_pip_says_so() -> None:
    traces = LEFT[Installer.PIP]
    assert installer_of(InstallationTraces(traces.package, direct_url=FOLDER)) is Installer.PIP


def test_a_checkout_in_a_pipx_environment_is_of_pipx() -> None:
    traces = InstallationTraces(
        "/home/ada/kfw/kfw", marks=frozenset({"pipx_metadata.json"}), direct_url=EDITABLE
    )
    assert installer_of(traces) is Installer.PIPX


@pytest.mark.parametrize(
    ("extra", "needed"), [("grpc", ["grpcio>=1.74"]), ("fast", ["uvloop>=0.21"]), ("tui", [])]
)
def test_the_requirements_of_an_extra_are_those_with_its_marker(extra: str, needed: list[str]) -> None:
    assert requirements_of(extra, REQUIRES) == needed


def test_a_path_with_a_space_can_be_pasted() -> None:
    hint = extra_hint("grpc", with_requirements(LEFT[Installer.PIP]), "/home/ada b/python")
    assert hint.startswith("'/home/ada b/python' -m pip install ")


def test_this_kfw_is_the_checkout_and_its_hint_names_this_interpreter() -> None:
    traces = this_installation()
    assert Path(traces.package) == ROOT / "kfw"
    assert installer_of(traces) is Installer.EDITABLE
    assert how_to_get("tui") == f"{sys.executable} -m pip install 'textual<9,>=8'"


def test_only_what_runs_from_one_file_is_named_by_it() -> None:
    environ = {"PEX": "/home/ada/kfw.pex"}
    assert one_file(environ, LEFT[Installer.ZIPAPP]) == "/home/ada/kfw.pex"
    assert one_file(environ, LEFT[Installer.PIP]) == "", "of another program that runs kfw"
    assert one_file({}, LEFT[Installer.ZIPAPP]) == ""
