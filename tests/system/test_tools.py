from pathlib import Path

import pytest

from kfw.errors import ToolMissing
from kfw.system.tools import find, install_line, missing, system_name


def test_a_tool_is_found_by_its_absolute_path(tmp_path: Path):
    tool = tmp_path / "kubectl"
    tool.touch(0o755)
    assert find("kubectl", str(tmp_path)) == str(tool)
    assert missing("sh") is None


def test_a_missing_tool_comes_with_the_line_that_installs_it(tmp_path: Path):
    with pytest.raises(ToolMissing) as error:
        find("socat", str(tmp_path))
    assert error.value.what == "cannot find socat on PATH"
    assert "socat" in error.value.fix
    assert error.value.exit_code == 8
    assert error.value.reason == "tool-missing"


def test_a_directory_and_a_file_without_x_are_named_as_what_they_are(tmp_path: Path):
    (tmp_path / "socat").mkdir()
    (tmp_path / "kubectl").touch(0o644)
    with pytest.raises(ToolMissing, match=f"cannot run socat: {tmp_path}/socat is a directory"):
        find("socat", str(tmp_path))
    with pytest.raises(ToolMissing, match="is not executable") as error:
        find("kubectl", str(tmp_path))
    assert error.value.fix == f"chmod +x {tmp_path}/kubectl"


def test_a_path_that_leads_nowhere_is_named(tmp_path: Path):
    with pytest.raises(ToolMissing, match="it does not exist"):
        find(f"{tmp_path}/nix")


@pytest.mark.parametrize(
    ("tool", "system", "line"),
    [
        ("socat", "debian", "sudo apt-get update && sudo apt-get install -y socat"),
        ("socat", "ubuntu debian", "sudo apt-get update && sudo apt-get install -y socat"),
        ("socat", "alpine", "sudo apk add socat"),
        ("socat", "darwin", "brew install socat"),
        ("kubectl", "ubuntu debian", "sudo snap install kubectl --classic"),
        ("kubectl", "debian", "sudo apt-get update && sudo apt-get install -y kubernetes-client"),
        ("kubectl", "darwin", "brew install kubectl"),
        ("kubectl", "rhel centos fedora", "sudo dnf install -y kubernetes-client"),
        ("kubectl", "plan9", "install kubectl and put it on PATH"),
        ("oddtool", "debian", "install oddtool and put it on PATH"),
    ],
)
def test_B2_the_install_line_is_this_systems(tool: str, system: str, line: str):
    assert install_line(tool, system) == line


def test_root_needs_no_sudo():
    assert install_line("socat", "alpine", root=True) == "apk add socat"


@pytest.mark.skipif("sys.platform == 'darwin'")
def test_the_system_is_its_id_and_what_it_is_like():
    assert (
        system_name('NAME="Linux Mint"\nID=linuxmint\nID_LIKE="ubuntu debian"\n') == "linuxmint ubuntu debian"
    )
    assert system_name("ID='alpine'\n") == "alpine"
    assert system_name("") == ""
