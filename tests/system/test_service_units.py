"""The unit and the agent that `kfw service install` writes, by what systemd and launchd read in them."""

import configparser
import os
import plistlib
import shutil
import subprocess
from pathlib import Path

import pytest

from kfw.errors import UsageError
from kfw.system.service_units import LABEL, MARK, UserService, environ_for, launchd_agent, systemd_unit

SPEC = UserService(
    ("/opt/my kfw/python", "-P", "-m", "kfw", "serve"),
    "",
    {"PATH": "/usr/bin:/home/ada/100% mine", "QUOTE": 'a "b" \\ c', "EMPTY": "", "DOLLAR": "$HOME"},
    "/Users/ada/Library/Logs/kfw.log",
)


def parsed(text: str) -> configparser.RawConfigParser:
    parser = configparser.RawConfigParser(strict=False)
    parser.optionxform = str  # type: ignore[assignment,method-assign]
    parser.read_string(text)
    return parser


def test_B40_the_unit_has_what_a_service_of_the_seed_has() -> None:
    service = parsed(systemd_unit(SPEC))["Service"]
    assert service["Type"] == "notify"
    assert service["Restart"] == "on-failure"
    assert service["RestartSec"] == "5"
    assert service["ExecReload"] == "kill -HUP $MAINPID"
    assert parsed(systemd_unit(SPEC))["Install"]["WantedBy"] == "default.target"
    assert systemd_unit(SPEC).startswith(MARK)


def test_what_means_something_to_systemd_is_escaped() -> None:
    text = systemd_unit(SPEC)
    assert 'ExecStart="/opt/my kfw/python" -P -m kfw serve\n' in text
    assert 'Environment="PATH=/usr/bin:/home/ada/100%% mine"\n' in text
    assert 'Environment="QUOTE=a \\"b\\" \\\\ c"\n' in text
    assert "Environment=EMPTY=\n" in text
    assert 'Environment="DOLLAR=$HOME"\n' in text, "systemd expands nothing there"
    assert "$$" in systemd_unit(UserService(("/a$b",)))


def test_B40_the_unit_passes_systemd_analyze(tmp_path: Path) -> None:
    if not shutil.which("systemd-analyze"):
        pytest.skip("no systemd-analyze")
    real = UserService(("/bin/sh", "-c", "kfw serve"), "/", SPEC.environ)
    file = tmp_path / "kfw.service"
    file.write_text(systemd_unit(real))
    done = subprocess.run(
        ["systemd-analyze", "verify", "--user", str(file)],
        env={**os.environ, "XDG_RUNTIME_DIR": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr.strip()) == (0, "")


def test_B40_the_agent_is_started_at_login_and_again_after_a_crash_only() -> None:
    agent = plistlib.loads(launchd_agent(SPEC).encode())
    assert agent["Label"] == LABEL
    assert agent["ProgramArguments"] == list(SPEC.argv)
    assert agent["RunAtLoad"] is True
    assert agent["KeepAlive"] == {"SuccessfulExit": False, "Crashed": True}
    assert agent["ProcessType"] == "Background"
    assert agent["EnvironmentVariables"] == SPEC.environ
    assert agent["StandardErrorPath"] == "/Users/ada/Library/Logs/kfw.log"


def test_B40_the_agent_passes_plutil(tmp_path: Path) -> None:
    if not shutil.which("plutil"):
        pytest.skip("no plutil")
    (tmp_path / "agent.plist").write_text(launchd_agent(SPEC))
    subprocess.run(["plutil", "-lint", str(tmp_path / "agent.plist")], check=True)


def test_the_environment_is_what_was_named_and_where_kfws_files_are() -> None:
    shell = {"AWS_PROFILE": "dev", "PATH": "/bin", "KFW_HOME": "/k", "OTHER": "x"}
    assert environ_for(["AWS_PROFILE", "PATH"], shell) == {
        "KFW_HOME": "/k",
        "AWS_PROFILE": "dev",
        "PATH": "/bin",
    }


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("AWS_SECRET_ACCESS_KEY", "abcdefghijklmnop", "looks like a secret"),
        ("NOT_THERE", None, "is not set"),
        ("TWO", "a\nExecStartPre=/bin/evil", "more than one line"),
        ("TWO", "a\rb", "more than one line"),
    ],
)
def test_what_may_not_stand_in_a_file_is_refused(name: str, value: str | None, said: str) -> None:
    with pytest.raises(UsageError, match=said):
        environ_for([name], {} if value is None else {name: value})
