"""How this kfw was installed, and so how an extra gets into it. What is decided is pure; `this_installation` reads."""

import shlex
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from importlib.metadata import Distribution, PackageNotFoundError, distribution
from pathlib import Path

import kfw

#: The name in a package index; `kfw` is another project there.
DISTRIBUTION = "kfw-cli"


class Installer(StrEnum):
    """`source` is a checkout that nobody installed, found by PYTHONPATH or the current directory."""

    PIP = "pip"
    PIPX = "pipx"
    UV = "uv"
    BREW = "brew"
    NIX = "nix"
    DEB = "deb"
    ZIPAPP = "zipapp"
    EDITABLE = "editable"
    SOURCE = "source"


#: Files that these leave in the environment that they make.
_MARKS = {
    "pipx_metadata.json": Installer.PIPX,
    "uv-receipt.toml": Installer.UV,
    "PEX-INFO": Installer.ZIPAPP,
}
#: What stands in the file INSTALLER of the distribution (PEP 376).
_NAMES = {"brew": Installer.BREW, "dpkg": Installer.DEB, "uv": Installer.UV}


@dataclass(frozen=True)
class InstallationTraces:
    """`package` is kfw's folder, `marks` are the names of files in the environment's, `installer` and `direct_url` what
    these files of the distribution hold: "" where there is none. `requires` are its requirements, with their markers."""

    package: str = "/usr/lib/python3/site-packages/kfw"
    marks: frozenset[str] = frozenset()
    installed: bool = True
    installer: str = ""
    direct_url: str = ""
    requires: tuple[str, ...] = ()


def installer_of(traces: InstallationTraces) -> Installer:
    """The environment tells more than the distribution: pipx and uv run pip, and may install a checkout as it is."""
    if traces.package.startswith("/nix/store/"):
        return Installer.NIX
    if "/Cellar/" in traces.package:
        return Installer.BREW
    if marked := next((one for name, one in _MARKS.items() if name in traces.marks), None):
        return marked
    if not traces.installed:
        return Installer.SOURCE
    if '"editable":true' in "".join(traces.direct_url.split()):
        return Installer.EDITABLE
    return _NAMES.get(traces.installer.strip(), Installer.PIP)


def requirements_of(extra: str, requires: tuple[str, ...]) -> list[str]:
    """Without their markers: `uvloop>=0.21; sys_platform != 'win32' and extra == 'fast'` is `uvloop>=0.21`."""
    pairs = (one.partition(";") for one in requires)
    wanted = f"extra=='{extra}'"
    return [name.strip() for name, _, marker in pairs if wanted in marker.replace(" ", "").replace('"', "'")]


def extra_hint(extra: str, traces: InstallationTraces, python: str) -> str:
    """The line that brings an extra into this installation; `python` is the path of its interpreter."""
    how = installer_of(traces)
    needed = shlex.join(requirements_of(extra, traces.requires))
    if how is Installer.SOURCE or not needed:
        checkout = shlex.quote(f"{Path(traces.package).parent}[{extra}]")
        return f"{shlex.quote(python)} -m pip install --editable {checkout}"
    match how:
        case Installer.PIPX:
            return f"pipx inject {DISTRIBUTION} {needed}"
        case Installer.UV:
            return f"uv pip install --python {shlex.quote(python)} {needed}"
        case Installer.BREW | Installer.NIX | Installer.DEB | Installer.ZIPAPP:
            return f"install kfw again: its {how} package has {needed}"
    return f"{shlex.quote(python)} -m pip install {needed}"


def this_installation() -> InstallationTraces:
    package = Path(kfw.__file__).parent
    found = _distribution()
    return InstallationTraces(
        package=str(package),
        marks=frozenset(name for name in _MARKS if Path(sys.prefix, name).is_file()),
        installed=found is not None,
        installer=(found and found.read_text("INSTALLER")) or "",
        direct_url=(found and found.read_text("direct_url.json")) or "",
        requires=tuple((found and found.requires) or ()),
    )


def how_to_get(extra: str) -> str:
    """For a message: the line to type where what an extra needs is missing."""
    return extra_hint(extra, this_installation(), sys.executable)


def one_file(environ: Mapping[str, str], traces: InstallationTraces) -> str:
    """The path of the file that this kfw was unpacked from, "" is none. What it was unpacked into is a cache."""
    return environ.get("PEX", "") if installer_of(traces) is Installer.ZIPAPP else ""


def _distribution() -> Distribution | None:
    try:
        return distribution(DISTRIBUTION)
    except PackageNotFoundError:
        return None
