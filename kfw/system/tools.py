"""Programs of others that kfw runs: where they are, or the line that installs them."""

import os
import platform
import sys
from collections.abc import Mapping
from pathlib import Path

from kfw.errors import ToolMissing

#: How each system gets it, by `ID` of os-release(5), "darwin" or "linux" for all others. {sudo} is empty for root.
_INSTALL: dict[str, dict[str, str]] = {
    "socat": {
        "darwin": "brew install socat",
        "alpine": "{sudo}apk add socat",
        "fedora": "{sudo}dnf install -y socat",
        "arch": "{sudo}pacman -S --noconfirm socat",
        "suse": "{sudo}zypper install -y socat",
        "debian": "{sudo}apt-get update && {sudo}apt-get install -y socat",
    },
    "kubectl": {
        "darwin": "brew install kubectl",
        "alpine": "{sudo}apk add kubectl",
        "fedora": "{sudo}dnf install -y kubernetes-client",
        "arch": "{sudo}pacman -S --noconfirm kubectl",
        "suse": "{sudo}zypper install -y kubernetes-client",
        "ubuntu": "{sudo}snap install kubectl --classic",
        "debian": "{sudo}apt-get update && {sudo}apt-get install -y kubernetes-client",
    },
    "docker": {
        "darwin": "brew install colima docker && colima start",
        "alpine": "{sudo}apk add docker && {sudo}rc-service docker start",
        "fedora": "{sudo}dnf install -y moby-engine && {sudo}systemctl enable --now docker",
        "arch": "{sudo}pacman -S --noconfirm docker && {sudo}systemctl enable --now docker",
        "suse": "{sudo}zypper install -y docker && {sudo}systemctl enable --now docker",
        "debian": "{sudo}apt-get update && {sudo}apt-get install -y docker.io",
    },
    "kind": {
        "darwin": "brew install kind",
        "alpine": "{sudo}apk add kind",
        "linux": "curl -fLo kind https://kind.sigs.k8s.io/dl/v0.33.0/kind-linux-{machine} && "
        "{sudo}install -m 755 kind /usr/local/bin/",
    },
    "helm": {
        "darwin": "brew install helm",
        "alpine": "{sudo}apk add helm",
        "fedora": "{sudo}dnf install -y helm",
        "arch": "{sudo}pacman -S --noconfirm helm",
        "ubuntu": "{sudo}snap install helm --classic",
        "linux": "curl -fsSL https://raw.githubusercontent.com/helm/helm/main/scripts/get-helm-3 | bash",
    },
    "colima": {"darwin": "brew install colima docker"},
}
#: What the makers of programs call a processor, by what the system calls it.
_MACHINES = {"x86_64": "amd64", "aarch64": "arm64"}
_OS_RELEASE = Path("/etc/os-release")


def find(tool: str, path: str | None = None) -> str:
    """The program's absolute path; `path` is a list of directories, default $PATH.

    Raises ToolMissing: not there (with the line that installs it here), a directory, or not executable.
    """
    if found := which(tool, os.environ.get("PATH", os.defpath) if path is None else path):
        return str(Path(found).absolute())
    raise _unusable(tool, path) or _missing(tool)


def which(tool: str, path: str) -> str | None:
    """As shutil.which, which brings 0.5 MB of archive formats along that a daemon does without."""
    folders = [""] if os.path.dirname(tool) else path.split(os.pathsep)  # noqa: PTH120
    for folder in folders:
        found = os.path.join(folder, tool)  # noqa: PTH118  # an empty folder is the working directory
        if os.access(found, os.X_OK) and not Path(found).is_dir():
            return found
    return None


def missing(tool: str, environ: Mapping[str, str] | None = None) -> ToolMissing | None:
    """Why `tool` cannot be run, None if it can. `environ` has the PATH, ours if it is None."""
    try:
        find(tool, None if environ is None else environ.get("PATH", os.defpath))
    except ToolMissing as error:
        return error
    return None


def install_line(tool: str, system: str, *, root: bool = False) -> str:
    """`system` as `system_name` gives it: the first of its words that is known decides, else any Linux's line."""
    lines = _INSTALL.get(tool, {})
    words = [*system.split(), *(["linux"] if system != "darwin" else [])]
    line = next((lines[word] for word in words if word in lines), "")
    machine = _MACHINES.get(platform.machine(), platform.machine())
    return line.format(sudo="" if root else "sudo ", machine=machine) or f"install {tool} and put it on PATH"


def system_name(os_release: str) -> str:
    """`darwin`, or ID and ID_LIKE of the given os-release file: `ubuntu debian`."""
    if sys.platform == "darwin":
        return "darwin"
    fields = dict(line.split("=", 1) for line in os_release.splitlines() if "=" in line)
    return " ".join(fields.get(key, "").strip("\"'") for key in ("ID", "ID_LIKE")).strip()


def _unusable(tool: str, path: str | None) -> ToolMissing | None:
    """Something of that name is there, but it cannot be run."""
    for candidate in _places(tool, path):
        if candidate.is_dir():
            return ToolMissing(f"cannot run {tool}: {candidate} is a directory", "remove it from PATH")
        if candidate.exists():
            what = f"cannot run {tool}: {candidate} is not executable"
            return ToolMissing(what, f"chmod +x {candidate}")
    return None


def _places(tool: str, path: str | None) -> list[Path]:
    if "/" in tool:
        return [Path(tool)]
    search = os.environ.get("PATH", os.defpath) if path is None else path
    return [Path(directory) / tool for directory in search.split(os.pathsep) if directory]


def _missing(tool: str) -> ToolMissing:
    if "/" in tool:
        return ToolMissing(f"cannot find {tool}: it does not exist")
    try:
        os_release = _OS_RELEASE.read_text()
    except OSError:
        os_release = ""
    line = install_line(tool, system_name(os_release), root=os.geteuid() == 0)
    return ToolMissing(f"cannot find {tool} on PATH", line)
