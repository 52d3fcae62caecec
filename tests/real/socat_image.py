"""A small image with sh and socat of this machine: there is no registry to fetch one from."""

import io
import subprocess
import tarfile
from pathlib import Path

NAME = "kfw-test-socat:1"
_PROGRAMS = ("/bin/sh", "/usr/bin/socat", "/usr/bin/printf")


def make() -> str:
    """Its name; made once, then kept by docker. Without the label by which kfw finds an image for itself."""
    if subprocess.run(["docker", "image", "inspect", NAME], capture_output=True, check=False).returncode:
        subprocess.run(["docker", "import", "-", NAME], input=_archive(), capture_output=True, check=True)
    return NAME


def _archive() -> bytes:
    data = io.BytesIO()
    with tarfile.open(fileobj=data, mode="w") as archive:
        for path in dict.fromkeys(_files()):
            archive.add(Path(path).resolve(), path.lstrip("/"))
    return data.getvalue()


def _files() -> list[str]:
    found = []
    for program in _PROGRAMS:
        told = subprocess.run(["ldd", program], capture_output=True, text=True, check=True).stdout
        found += [program, *(word for word in told.split() if word.startswith("/"))]
    return found
