"""Packages of this checkout, made by its own build backend and installed without a network."""

import os
import re
import subprocess
import sys
import sysconfig
import zipfile
from collections.abc import Iterable, Mapping
from importlib.metadata import Distribution, distribution
from pathlib import Path

from packaging.requirements import Requirement

from tests.other_user import ROOT

Done = subprocess.CompletedProcess[str]


def run(
    *argv: str | Path, cwd: Path = ROOT, limit: float = 300, env: Mapping[str, str] | None = None
) -> Done:
    """Fails the test with what it said."""
    done = subprocess.run(
        [*map(str, argv)], cwd=cwd, env=env, capture_output=True, text=True, timeout=limit, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done


def build(kind: str, folder: Path, source: Path = ROOT) -> Path:
    """`kind` is wheel or sdist."""
    code = f"import sys, hatchling.build as backend; print(backend.build_{kind}(sys.argv[1]))"
    return folder / run(sys.executable, "-c", code, folder, cwd=source).stdout.split()[-1]


def files_of(wheel: Path) -> dict[str, bytes]:
    """By name what is in it."""
    with zipfile.ZipFile(wheel) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def install(wheel: Path, folder: Path) -> Path:
    """A new environment with it, where kfw's dependencies are those of this one. The path of its kfw."""
    run(sys.executable, "-m", "venv", "--without-pip", folder)
    python = folder / "bin" / "python"
    run(
        sys.executable,
        "-m",
        "pip",
        "--python",
        python,
        "install",
        "--no-deps",
        "--no-index",
        "--no-compile",
        wheel,
    )
    ours = sysconfig.get_path("purelib")
    # A folder that is named in a .pth file has its own .pth files left unread: kfw is that of the wheel.
    (folder / site_packages() / "dependencies.pth").write_text(f"{ours}\n")
    return folder / "bin" / "kfw"


def site_packages() -> Path:
    return Path("lib", f"python{sys.version_info.major}.{sys.version_info.minor}", "site-packages")


def bare_environment(home: Path) -> dict[str, str]:
    """A user's, in an empty home; no variable of this shell but PATH."""
    return {"HOME": str(home), "KFW_HOME": str(home / "kfw"), "PATH": os.environ["PATH"], "LC_ALL": "C.UTF-8"}


def wheels_of_dependencies(wheel: Path, folder: Path) -> None:
    """A wheel of each package that kfw needs, with its extras, packed again from the environment of the tests: what pip
    would get from an index, without one."""
    (said,) = (text for name, text in files_of(wheel).items() if name.endswith(".dist-info/METADATA"))
    requires = re.findall(r"^Requires-Dist: (.+)$", said.decode(), re.M)
    extras = frozenset(re.findall(r"^Provides-Extra: (.+)$", said.decode(), re.M)) - {"dev", "docs"}
    for name in _closure(requires, extras, set()):
        _pack(distribution(name), folder)


def _closure(
    requires: Iterable[str], extras: frozenset[str], seen: set[tuple[str, frozenset[str]]]
) -> set[str]:
    """The names of what these need here."""
    for one in map(Requirement, requires):
        asked = (one.name.lower().replace("_", "-"), frozenset(one.extras))
        wanted = not one.marker or any(one.marker.evaluate({"extra": extra}) for extra in extras | {""})
        if wanted and asked not in seen:
            seen.add(asked)
            _closure(distribution(one.name).requires or (), asked[1], seen)
    return {name for name, _ in seen}


def _pack(one: Distribution, folder: Path) -> None:
    """Files outside of its own folder are scripts, which nobody here runs."""
    tags = re.findall(r"^Tag: (\S+)-(\S+)-(\S+)$", one.read_text("WHEEL") or "", re.M)
    joined = "-".join(".".join(dict.fromkeys(kind)) for kind in zip(*tags, strict=True))
    name = f"{one.name.replace('-', '_')}-{one.version}-{joined}.whl"
    with zipfile.ZipFile(folder / name, "w") as archive:
        for file in one.files or ():
            if ".." not in file.parts and file.suffix != ".pyc":
                archive.write(str(one.locate_file(file)), str(file))
