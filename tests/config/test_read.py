import os
from pathlib import Path

import pytest

from kfw.config.read import LARGEST, is_private_group, text_of
from kfw.config.tree import Place, Unparsable
from tests.config.fakes import Project

GOOD = "uiOptions: {theme: light}\n"


@pytest.mark.parametrize(
    "text",
    [GOOD, "\ufeff" + GOOD, GOOD.replace("\n", "\r\n"), GOOD.replace("\n", "\r"), "---\n" + GOOD + "...\n"],
)
def test_a_byte_order_mark_and_any_line_ends_are_read(project: Project, text: str) -> None:
    project.write("kfw.yaml", text)
    assert project.load().values["uiOptions"]["theme"] == "light"


@pytest.mark.parametrize(
    ("data", "problem"),
    [
        (b"a: 1\nb\xc3\xa4: \xff\n", "2:5: the byte 0xff is not UTF-8, save the file as UTF-8"),
        (b"a: \xc3", "1:4: the byte 0xc3 is not UTF-8, save the file as UTF-8"),
        (GOOD.encode("utf-16"), "1:1: the file is UTF-16, not UTF-8, save it as UTF-8"),
        (b"a: 1\nb: \0\n", "2:4: a NUL byte is not text, save the file as UTF-8"),
        (b"\xed\xa0\x80", "1:1: the byte 0xed is not UTF-8, save the file as UTF-8"),
    ],
)
def test_what_is_not_utf_8_names_the_first_wrong_byte(project: Project, data: bytes, problem: str) -> None:
    assert project.problems(data) == [f"kfw.yaml:{problem}"]


def test_a_file_of_more_than_a_megabyte_is_not_read(project: Project) -> None:
    project.write("kfw.yaml", GOOD + "#" * (LARGEST - len(GOOD)))
    project.load()
    assert project.problems(GOOD + "#" * (LARGEST - len(GOOD) + 1)) == [
        "kfw.yaml:1:1: the file is larger than 1000000 bytes, check that it is the right file"
    ]


def test_a_directory_is_no_file(project: Project) -> None:
    (project.here / "kfw.yaml").mkdir()
    assert project.problems() == ["kfw.yaml:1:1: this is a directory, name a file in it"]


def test_a_pipe_that_nobody_writes_to_is_not_waited_for(project: Project) -> None:
    os.mkfifo(project.here / "kfw.yaml")
    assert project.problems() == ["kfw.yaml:1:1: this is not a regular file, write the config to a file"]


def test_a_device_is_no_file(project: Project) -> None:
    (project.here / "kfw.yaml").symlink_to("/dev/null")
    assert project.problems() == ["kfw.yaml:1:1: this is not a regular file, write the config to a file"]


def test_a_broken_link_is_said_to_be_broken(project: Project) -> None:
    (project.here / "kfw.yaml").symlink_to("nowhere")
    assert project.problems() == [
        "kfw.yaml:1:1: cannot be read: no such file or directory, kfw init writes one"
    ]


def test_links_in_a_circle_are_no_file(project: Project) -> None:
    (project.here / "kfw.yaml").symlink_to("kfw.yaml")
    [problem] = project.problems()
    assert problem.startswith("kfw.yaml:1:1: cannot be read: too many levels of symbolic links")


@pytest.mark.skipif(os.geteuid() == 0, reason="root reads everything")
def test_a_file_that_may_not_be_read_says_what_to_do(project: Project) -> None:
    project.write("kfw.yaml", GOOD).chmod(0)
    assert project.problems() == ["kfw.yaml:1:1: cannot be read: permission denied, chmod u+r kfw.yaml"]


def test_a_path_with_a_nul_byte_is_a_mistake_and_no_crash() -> None:
    with pytest.raises(Unparsable, match=r"cannot be read: .*embedded null"):
        text_of(Path("a\0b"), Place("a"))


@pytest.mark.parametrize("mode", [0o600, 0o644, 0o640, 0o444])
def test_NFR_SEC_02_a_file_that_others_may_read_is_fine_since_it_holds_no_secrets(
    project: Project, mode: int
) -> None:
    project.write("kfw.yaml", GOOD).chmod(mode)
    assert project.load().warnings == ()


@pytest.mark.parametrize("mode", [0o666, 0o602, 0o646])
def test_NFR_SEC_02_a_file_that_everybody_may_write_is_refused(project: Project, mode: int) -> None:
    project.write("kfw.yaml", GOOD).chmod(mode)
    assert project.problems() == ["kfw.yaml:1:1: everyone may write to this file, chmod go-w kfw.yaml"]


@pytest.mark.skipif(os.geteuid() != 0, reason="only root gives files away")
def test_NFR_SEC_02_a_file_that_its_group_may_write_is_refused(project: Project) -> None:
    path = project.write("kfw.yaml", GOOD)
    os.chown(path, -1, 54321)
    path.chmod(0o664)
    assert project.problems() == ["kfw.yaml:1:1: its whole group may write to this file, chmod g-w kfw.yaml"]


def test_a_group_of_which_its_owner_is_the_only_member_may_write() -> None:
    """The umask 002 of Debian's private groups must not make a fresh clone unusable."""
    assert is_private_group("ann", 1000, "ann", 1000, [])
    assert is_private_group("ann", 1000, "ann", 1000, ["ann"])
    assert not is_private_group("ann", 1000, "ann", 1000, ["bob"])
    assert not is_private_group("ann", 1000, "staff", 50, [])
    assert not is_private_group("ann", 100, "users", 100, [])
