"""Files and folders of other users, homes that are not there, relative ones, and links: what each command says to them."""

import os
import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from kfw.commands._group import COMMANDS
from kfw.errors import KfwError
from kfw.system.files import make_private_dir
from tests.other_user import NAMELESS, needs_root, run_as
from tests.real.running import Kfw

ADA = 54_321
CONFIG = "portForwards:\n  web: {target: service/web, localPort: 8080, targetPort: 80}\n"

#: Every command with arguments that it understands, and that do not run for ever.
EVERY = {
    "up": "up",
    "down": "down",
    "status": "status",
    "enable": "enable web",
    "disable": "disable web",
    "restart": "restart",
    "retry": "retry",
    "add": "add web svc/web 80",
    "targets": "targets",
    "remove": "remove web",
    "reload": "reload",
    "run": "run -- true",
    "wait": "wait --timeout 1s",
    "verify": "verify",
    "explain": "explain web",
    "open": "open web --print",
    "top": "top",
    "perf": "perf",
    "tap": "tap web --duration 1s",
    "update": "update --check",
    "collect": "collect --once",
    "logs": "logs",
    "events": "events",
    "config": "config show",
    "sandbox": "sandbox status",
    "demo": "demo --for 1s",
    "start": "start",
    "stop": "stop",
    "serve": "serve",
    "service": "service status",
    "web": "web --print",
}
#: These need no home: `port-forward` and `init` use the working directory and $KUBECONFIG alone; `doctor` has it as a
#: finding, `tui` looks for a terminal first, and `mcp` waits for somebody who asks.
NEED_NONE = ("version", "init", "port-forward", "bootstrap", "completion", "doctor", "tui", "mcp")


def test_the_table_is_complete() -> None:
    assert {*EVERY, *NEED_NONE} == {*COMMANDS}


@pytest.fixture
def kfw() -> Iterator[Kfw]:
    one = Kfw("/nonexistent")
    try:
        yield one
    finally:
        one.close()


# -- no home and no name


@needs_root
@pytest.mark.parametrize("line", [*EVERY.values(), "status --json", "--context x up", "config check", "nope"])
def test_without_a_home_every_command_says_so_in_a_sentence(line: str) -> None:
    done = run_as(NAMELESS, *line.split())
    assert done.returncode == 2, done.stdout + done.stderr
    assert "Traceback" not in done.stderr
    assert len(done.stderr.splitlines()) <= 3
    if line not in ("nope", "--context x up"):
        assert done.stderr.startswith(
            f"kfw: cannot find a home directory: HOME is not set, and uid {NAMELESS} has no entry"
        )
        assert "set HOME to a directory of your own" in done.stderr


@needs_root
@pytest.mark.parametrize(
    "line", ["--help", "", "version", "--version", "version --json", "up --help", "init --help"]
)
def test_without_a_home_help_and_version_work(line: str) -> None:
    done = run_as(NAMELESS, *line.split())
    assert done.returncode == 0, done.stderr
    assert done.stdout and done.stderr == ""


@needs_root
@pytest.mark.parametrize("variable", ["HOME", "KFW_HOME"])
def test_a_nameless_user_with_a_home_is_a_user_like_others(kfw: Kfw, variable: str) -> None:
    kfw.folder.chmod(0o755)
    home = kfw.folder / "home"
    home.mkdir()
    os.chown(home, NAMELESS, NAMELESS)
    try:
        started = run_as(NAMELESS, "start", **{variable: str(home)})
        assert started.returncode == 0, started.stderr
        assert run_as(NAMELESS, "status", **{variable: str(home)}).returncode == 0
    finally:
        stopped = run_as(NAMELESS, "stop", **{variable: str(home)})
    assert stopped.stderr.startswith("stopped (pid ")


@needs_root
def test_without_a_home_a_defect_is_still_two_lines(tmp_path: Path) -> None:
    """A report of it has no place then."""
    done = run_as(NAMELESS, "events", "--since", "9" * 5000)
    assert "Traceback" not in done.stderr and len(done.stderr.splitlines()) <= 3


# -- of another user


def give(path: Path, uid: int = ADA) -> None:
    os.lchown(path, uid, uid)


def _project_file(kfw: Kfw) -> None:
    (kfw.project / "kfw.yaml").write_text(CONFIG)
    give(kfw.project / "kfw.yaml")


def _project_toml(kfw: Kfw) -> None:
    (kfw.project / "kfw.toml").write_text('[portForwards.web]\ntarget = "service/web"\nlocalPort = 8080\n')
    give(kfw.project / "kfw.toml")


def _file_above(kfw: Kfw) -> None:
    _project_file(kfw)
    kfw.project /= "below"
    kfw.project.mkdir()


def _link_of_another(kfw: Kfw) -> None:
    (kfw.folder / "mine.yaml").write_text(CONFIG)
    (kfw.project / "kfw.yaml").symlink_to(kfw.folder / "mine.yaml")
    give(kfw.project / "kfw.yaml")


def _link_to_another(kfw: Kfw) -> None:
    (kfw.folder / "theirs.yaml").write_text(CONFIG)
    give(kfw.folder / "theirs.yaml")
    (kfw.project / "kfw.yaml").symlink_to(kfw.folder / "theirs.yaml")


def _user_config(kfw: Kfw) -> None:
    folder = kfw.home / "config"
    folder.mkdir(parents=True)
    (folder / "config.yaml").write_text(CONFIG)
    give(folder / "config.yaml")


def _config_folder(kfw: Kfw) -> None:
    folder = kfw.home / "config"
    folder.mkdir(parents=True)
    (folder / "config.yaml").write_text(CONFIG)
    give(folder)


FOREIGN: dict[str, Callable[[Kfw], None]] = {
    "a project file": _project_file,
    "a project file in TOML": _project_toml,
    "a project file in a folder above": _file_above,
    "a link that another user made": _link_of_another,
    "a link to another user's file": _link_to_another,
    "the user's config": _user_config,
    "the folder of the user's config": _config_folder,
}


@needs_root
@pytest.mark.parametrize("what", FOREIGN)
@pytest.mark.parametrize("command", ["config check", "up"])
def test_another_users_file_is_refused_for_root_too(kfw: Kfw, what: str, command: str) -> None:
    FOREIGN[what](kfw)
    done = kfw(*command.split(), code=2)
    said = done.stdout + done.stderr
    assert re.search(
        rf"the (file|folder) belongs to another user, uid {ADA}, trust it with --config \S+", said
    )
    assert kfw.processes() == {}


@needs_root
@pytest.mark.parametrize("what", FOREIGN)
def test_what_is_named_by_config_is_trusted(kfw: Kfw, what: str) -> None:
    FOREIGN[what](kfw)
    said = kfw("config", "check", code=2).stdout + kfw("config", "check", code=2).stderr
    file = re.findall(r"trust it with --config (\S+)", said)[0]
    assert "web" in kfw("config", "show", "--config", file).stdout


@needs_root
def test_the_owner_is_named(kfw: Kfw) -> None:
    import pwd

    name = next(entry for entry in pwd.getpwall() if entry.pw_uid not in (0, os.getuid()))
    (kfw.project / "kfw.yaml").write_text(CONFIG)
    give(kfw.project / "kfw.yaml", name.pw_uid)
    done = kfw("config", "check", code=2)
    assert f"belongs to another user, {name.pw_name} (uid {name.pw_uid})" in done.stdout + done.stderr


@needs_root
def test_with_sudo_the_files_of_who_called_it_are_ours(kfw: Kfw) -> None:
    _project_file(kfw)
    kfw.env["SUDO_UID"] = str(ADA)
    assert "web" in kfw("config", "show").stdout
    kfw.env["SUDO_UID"] = str(ADA + 1)
    kfw("config", "show", code=2)


@needs_root
@pytest.mark.parametrize(
    "line", ["status", "status --json", "start", "serve", "up", "down", "logs", "config show", "stop"]
)
@pytest.mark.parametrize("kind", ["a folder", "a link"])
def test_another_users_KFW_HOME_is_refused(kfw: Kfw, line: str, kind: str) -> None:
    theirs = kfw.folder / "theirs"
    theirs.mkdir()
    theirs.chmod(0o777)
    give(theirs)
    if kind == "a link":
        kfw.home.symlink_to(theirs)
    kfw.env["KFW_HOME"] = str(kfw.home if kind == "a link" else theirs)
    done = kfw(*line.split(), code=2)
    assert done.stderr.startswith(
        f"kfw: cannot use KFW_HOME {kfw.env['KFW_HOME']}: it belongs to uid {ADA}\n"
    )
    assert "set KFW_HOME to a directory of your own" in done.stderr
    assert list(theirs.iterdir()) == []
    assert theirs.stat().st_mode & 0o777 == 0o777
    kfw.env["KFW_HOME"] = str(kfw.folder / "kfw2")


@needs_root
def test_the_runtime_folder_of_the_user_before_su_is_not_used(kfw: Kfw) -> None:
    theirs = kfw.folder / "run-1000"
    theirs.mkdir(mode=0o700)
    give(theirs)
    for name in ("KFW_HOME",):
        del kfw.env[name]
    kfw.env["XDG_RUNTIME_DIR"] = str(theirs)
    kfw("start")
    try:
        assert list(theirs.iterdir()) == []
        assert (kfw.folder / ".local/state/kfw/run/kfw.sock").exists()
    finally:
        kfw("stop")


# -- links, and chmod


@pytest.mark.parametrize("kind", ["ours", "root's", "of another user", "a link to a link", "to nothing"])
def test_no_chmod_goes_through_a_link(tmp_path: Path, kind: str) -> None:
    target, link = tmp_path / "target", tmp_path / "link"
    target.mkdir()
    target.chmod(0o755)
    if kind == "of another user":
        if os.geteuid() != 0:
            pytest.skip("only root can give a directory away")
        give(target)
    if kind == "a link to a link":
        (tmp_path / "between").symlink_to(target)
        target_of_link = tmp_path / "between"
    else:
        target_of_link = tmp_path / "nothing" if kind == "to nothing" else target
    link.symlink_to(target_of_link)
    with pytest.raises(KfwError, match=str(link)):
        make_private_dir(link)
    assert target.stat().st_mode & 0o777 == 0o755


def test_a_link_to_a_closed_directory_of_ours_is_used(tmp_path: Path) -> None:
    (tmp_path / "target").mkdir(mode=0o700)
    (tmp_path / "link").symlink_to(tmp_path / "target")
    assert make_private_dir(tmp_path / "link") == tmp_path / "link"


@pytest.mark.parametrize("name", ["run", "state"])
def test_a_folder_that_is_a_link_to_an_open_one_is_refused_with_the_fix(kfw: Kfw, name: str) -> None:
    (kfw.folder / "open").mkdir()
    (kfw.folder / "open").chmod(0o755)
    kfw.home.mkdir()
    (kfw.home / name).symlink_to(kfw.folder / "open")
    done = kfw("start", code=1)
    assert (
        f"cannot use {kfw.home / name}: it is a link to {kfw.folder / 'open'}, which is open to others"
        in done.stderr
    )
    assert f"chmod 700 {kfw.folder / 'open'} if only kfw uses it" in done.stderr
    assert (kfw.folder / "open").stat().st_mode & 0o777 == 0o755


# -- relative


@pytest.mark.parametrize("home", ["state-of-kfw", "./a/b", "../sideways", "."])
def test_a_relative_KFW_HOME_counts_from_the_working_directory_for_the_daemon_too(
    kfw: Kfw, home: str
) -> None:
    kfw.env["KFW_HOME"] = home
    where = Path(os.path.normpath(kfw.project / home))
    kfw("start")
    try:
        assert (where / "run" / "kfw.sock").is_socket()
        daemon = kfw.daemon()
        assert daemon["running"] is True
        assert daemon["socket"] == str(where / "run" / "kfw.sock")
        assert (where / "state" / "kfw.log").is_file()
        assert kfw("logs").stdout
    finally:
        kfw("stop")


def test_an_empty_KFW_HOME_is_none(kfw: Kfw) -> None:
    kfw.env["KFW_HOME"] = ""
    kfw("start")
    try:
        assert (kfw.folder / ".local/state/kfw/kfw.log").is_file()
    finally:
        kfw("stop")
