"""Puts tools into a folder for the image: those that the machine does not have, verified by their published checksums.

usage: image-tools.py FOLDER TOOL...

A TOOL is kubectl, kind or helm; its version is in the environment (KUBECTL_VERSION and so on). Plain Python, so that
building the image needs no curl.
"""

import hashlib
import io
import os
import shutil
import subprocess
import sys
import tarfile
import urllib.request
from pathlib import Path

SOURCES = {
    "kubectl": ("https://dl.k8s.io/release/{version}/bin/linux/{arch}/kubectl", ".sha256"),
    "kind": (
        "https://github.com/kubernetes-sigs/kind/releases/download/{version}/kind-linux-{arch}",
        ".sha256sum",
    ),
    "helm": ("https://get.helm.sh/helm-{version}-linux-{arch}.tar.gz", ".sha256sum"),
}


def main(folder: Path, tools: list[str]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    arch = subprocess.run(["dpkg", "--print-architecture"], capture_output=True, text=True, check=True)
    for tool in tools:
        if shutil.which(tool):
            print(f"{tool} is there already")
            continue
        file = folder / tool
        file.write_bytes(fetch(tool, os.environ[f"{tool.upper()}_VERSION"], arch.stdout.strip()))
        file.chmod(0o755)


def fetch(tool: str, version: str, arch: str) -> bytes:
    address, suffix = SOURCES[tool]
    url = address.format(version=version, arch=arch)
    print(f"fetching {url}")
    content = get(url)
    wanted = get(url + suffix).decode().split()[0]
    if (found := hashlib.sha256(content).hexdigest()) != wanted:
        raise SystemExit(f"{url} has the checksum {found}, not the published {wanted}")
    return unpacked(content, tool) if url.endswith(".tar.gz") else content


def get(url: str) -> bytes:
    with urllib.request.urlopen(url, timeout=60) as reply:
        return bytes(reply.read())


def unpacked(archive: bytes, tool: str) -> bytes:
    """The file of this name, in whichever folder of the archive."""
    with tarfile.open(fileobj=io.BytesIO(archive)) as tar:
        member = next(one for one in tar if one.isfile() and Path(one.name).name == tool)
        content = tar.extractfile(member)
        assert content
        return content.read()


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2:])
