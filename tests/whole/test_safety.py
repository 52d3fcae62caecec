"""NFR-SEC: whose the daemon is, who may look at what it keeps, and what is never said."""

import ast
import os
import re
import shutil
import stat
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

import kfw as package
from kfw.sandbox.manifests import deployment, service
from kfw.sandbox.manifests import port as service_port
from tests.other_user import needs_root
from tests.real import talk
from tests.real.running import until
from tests.whole.conftest import Make
from tests.whole.place import Place
from tests.whole.program import Entry, Program

#: What changes whose a process is.
CHANGES_USER = re.compile(r"set(e|re|res)?[ug]id|initgroups|setgroups")


@pytest.fixture
def web(shared: Place, namespace: str) -> Entry:
    shared.apply(
        deployment(namespace, "web", ports={"http": 8080}),
        service(namespace, "web", service_port(80, "http")),
    )
    port = talk.free_ports(1)[0]
    return {"target": "service/web", "targetPort": 80, "namespace": namespace, "localPort": port}


def test_NFR_SEC_01_the_daemon_runs_as_the_user_before_and_after_a_handover(
    own_kfw: Program, web: Entry
) -> None:
    own_kfw.up({"web": web})
    for _ in range(2):
        status = Path(f"/proc/{own_kfw.daemon_pid()}/status").read_text()
        (ids,) = re.findall(r"^Uid:\s*(.*)$", status, re.M)
        assert set(ids.split()) == {str(os.getuid())}
        own_kfw("restart", "--daemon", "--drain", "0s")


def test_NFR_SEC_01_nothing_in_kfw_changes_the_user_of_a_process() -> None:
    found = [
        f"{file}:{node.lineno}"
        for file in Path(package.__file__).parent.rglob("*.py")
        for node in ast.walk(ast.parse(file.read_text()))
        if isinstance(node, ast.Attribute) and CHANGES_USER.fullmatch(node.attr)
    ]
    assert found == []


def test_NFR_SEC_02_what_kfw_makes_is_for_its_user_alone_whatever_the_umask(
    own_kfw: Program, web: Entry
) -> None:
    own_kfw.configure({"web": web})
    before = os.umask(0)
    try:
        own_kfw("up")
        own_kfw("disable", "web")
        own_kfw("enable", "web")
        own_kfw("restart", "--daemon", "--drain", "0s")
    finally:
        os.umask(before)
    found = {path: stat.S_IMODE(path.lstat().st_mode) for path in (own_kfw.home, *own_kfw.home.rglob("*"))}
    assert len(found) > 8
    for path, mode in found.items():
        assert mode == (0o700 if path.is_dir() else 0o600), f"{path}: {mode:o}"


@pytest.fixture
def at_home(make_kfw: Make, shared: Place) -> Iterator[tuple[Program, Path, str]]:
    """A kubeconfig deep in the home directory, with a token that no server knows."""
    token = "kfw-canary-0123456789abcdef"
    known = yaml.safe_load(shared.kubeconfig.read_text())
    for user in known["users"]:
        user["user"] = {"token": token}
    kfw = make_kfw("/nonexistent")
    file = kfw.folder / "work" / "customers" / "acme" / "dev.yaml"
    file.parent.mkdir(parents=True)
    file.write_text(yaml.safe_dump(known))
    file.chmod(0o600)
    kfw.env["KUBECONFIG"] = str(file)
    yield kfw, file, token


def test_NFR_SEC_03_neither_a_token_nor_the_path_of_a_kubeconfig_is_told_at_debug_level(
    at_home: tuple[Program, Path, str], web: Entry
) -> None:
    kfw, file, token = at_home
    kfw.up({"web": web}, "--timeout", "3s", code=None, daemon={"logLevel": "debug"})
    until(lambda: kfw.status("web").get("reason"), 15, lambda: "its login is refused")
    file.write_text("clusters: [")
    kfw("retry", code=None)
    until(lambda: "dev.yaml" in str(kfw.ask("/v1/events")), 15, lambda: f"it is said which file\n{kfw.log()}")
    kfw("restart", "--daemon", "--drain", "0s", code=None)
    file.unlink()
    kfw("retry", code=None)
    said = {
        "status": str(kfw.ask("/v1/status")["forwards"]),
        "events": str([(event["message"], event["forward"]) for event in kfw.ask("/v1/events")]),
        **{log.name: log.read_text() for log in (kfw.home / "state").glob("*.log*")},
        **{report.name: report.read_text() for report in (kfw.home / "state").glob("crashes/*")},
    }
    assert "debug" in said["kfw.log"].lower()
    for where, text in said.items():
        assert token not in text, where
        assert str(file) not in text, (
            f"{where}: {[line for line in text.splitlines() if str(file) in line][:3]}"
        )
    assert "~/.../acme/dev.yaml" in said["events"]


@needs_root
def test_NFR_SEC_04_another_user_gets_EACCES_from_the_socket_and_from_each_file(own_kfw: Program) -> None:
    own_kfw("start")
    for folder in (own_kfw.folder, *own_kfw.folder.parents[:-1]):
        folder.chmod(folder.stat().st_mode | 0o755)  # all that is not kfw's own is open
    run = own_kfw.home / "run"
    assert stat.S_IMODE(run.stat().st_mode) == 0o700
    assert stat.S_IMODE((run / "kfw.sock").stat().st_mode) == 0o600
    look = (
        "import errno, os, socket, sys\n"
        "os.setgroups([]); os.setgid(65534); os.setuid(65534)\n"
        "def tried(act):\n"
        "    try: act()\n"
        "    except OSError as error: return errno.errorcode[error.errno]\n"
        "    return 'let in'\n"
        "print(tried(lambda: socket.socket(socket.AF_UNIX).connect(sys.argv[1])))\n"
        "for file in sys.argv[2:]: print(tried(lambda: open(file)))\n"
    )
    files = [run / "kfw.pid", run / "kfw.lock", own_kfw.home / "state" / "kfw.log", own_kfw.home / "state"]
    done = subprocess.run(
        [
            shutil.which("python3", path="/usr/bin:/usr/local/bin") or "python3",
            "-c",
            look,
            run / "kfw.sock",
            *files,
        ],
        capture_output=True,
        text=True,
        check=True,
        cwd="/",
    )
    assert done.stdout.split() == ["EACCES"] * (1 + len(files))


@needs_root
def test_NFR_SEC_04_another_user_cannot_ask_for_a_handover_even_where_the_door_was_opened_by_hand(
    own_kfw: Program,
) -> None:
    own_kfw("start")
    pid = own_kfw.daemon_pid()
    sock = own_kfw.home / "run" / "kfw.sock"
    for path in (sock.parent, own_kfw.home, own_kfw.folder):
        path.chmod(0o755)
    sock.chmod(0o666)
    ask = (
        "import os, socket, sys\n"
        "os.setgroups([]); os.setgid(65534); os.setuid(65534)\n"
        "s = socket.socket(socket.AF_UNIX); s.connect(sys.argv[1])\n"
        'b = b\'{"python": "/bin/true"}\'\n'
        "try:\n"
        " s.sendall(b'POST /v1/handover HTTP/1.1\\r\\nHost: k\\r\\nContent-Length: %d\\r\\n\\r\\n' % len(b) + b)\n"
        " print(len(s.recv(100)))\n"
        "except OSError: print(0)\n"
    )
    python = shutil.which("python3", path="/usr/bin:/usr/local/bin") or "python3"
    done = subprocess.run([python, "-c", ask, sock], capture_output=True, text=True, check=True, cwd="/")
    assert done.stdout.strip() == "0"
    assert own_kfw.daemon_pid() == pid
    assert len(own_kfw.processes()) == 1


def test_NFR_SEC_04_a_path_that_is_too_long_for_a_socket_is_an_error_in_words(own_kfw: Program) -> None:
    own_kfw.env["KFW_HOME"] = str(own_kfw.folder / ("x" * 110))
    done = own_kfw("start", code=None)
    assert done.returncode in (1, 2)
    assert "too long" in done.stderr or "longer than" in done.stderr
    assert "KFW_HOME" in done.stderr


def test_the_new_daemon_is_reached_by_nobody_else_while_it_takes_over(own_kfw: Program, web: Entry) -> None:
    """No socket appears in a folder or on a port for it: the pair has no name."""
    own_kfw.up({"web": web})
    before = {path.name for path in own_kfw.home.rglob("*") if path.is_socket()}
    own_kfw("restart", "--daemon", "--drain", "0s")
    assert {path.name for path in own_kfw.home.rglob("*") if path.is_socket()} == before == {"kfw.sock"}
