"""A draft reaches the disk whole, with what the file was in other respects, or not at all."""

import os
from pathlib import Path

import pytest

from kfw.config.layers import load
from kfw.config.save import project_draft
from kfw.errors import ConfigError, KfwError, UsageError
from tests.config.fakes import Project

TEXT = "portForwards:\n  api: {target: service/api, localPort: 1}\n"


def _edited(project: Project, text: str) -> None:
    project_draft(project.here).edited(lambda before, at: before + text, "").write()


def test_the_mode_a_byte_order_mark_and_a_link_stay(project: Project) -> None:
    real = project.write("dotfiles/ours.yaml", b"\xef\xbb\xbf" + TEXT.encode())
    real.chmod(0o640)
    (project.here / "kfw.yaml").symlink_to(real)
    _edited(project, "# more\n")
    assert (project.here / "kfw.yaml").is_symlink()
    assert real.read_bytes() == b"\xef\xbb\xbf" + TEXT.encode() + b"# more\n"
    assert real.stat().st_mode & 0o777 == 0o640


def test_a_file_that_has_changed_meanwhile_stays_as_it_is(project: Project) -> None:
    file = project.write("kfw.yaml", TEXT)
    draft = project_draft(project.here).edited(lambda before, at: before + "# mine\n", "")
    file.write_text(TEXT + "# theirs\n")
    with pytest.raises(KfwError, match="has changed meanwhile"):
        draft.write()
    assert file.read_text() == TEXT + "# theirs\n"


def test_a_file_that_has_come_meanwhile_stays_as_it_is(project: Project) -> None:
    draft = project_draft(project.here).edited(lambda before, at: TEXT, "")
    project.write("kfw.yaml", "# theirs\n")
    with pytest.raises(KfwError, match="has changed meanwhile"):
        draft.write()
    assert (project.here / "kfw.yaml").read_text() == "# theirs\n"


def test_a_new_file_is_one_that_kfw_reads_under_any_umask(project: Project) -> None:
    os.umask(0)
    _edited(project, TEXT)
    assert list(project.load().forwards) == ["api"]
    assert (project.here / "kfw.yaml").stat().st_mode & 0o777 == 0o644


def test_the_file_of_the_nearest_folder_above_is_the_projects(project: Project) -> None:
    file = project.write("kfw.yml", TEXT)
    (project.here / "sub").mkdir()
    draft = project_draft(project.here / "sub")
    assert (draft.path, draft.text) == (file, TEXT)


def test_a_draft_is_read_in_place_of_its_file_with_all_its_layers(project: Project) -> None:
    project.user_file.write_text("defaults: {namespace: shop}\n")
    file = project.write("kfw.yaml", TEXT)
    draft = project_draft(project.here).edited(lambda before, at: before.replace("api", "web"), "")
    settings = load(project.here, user_file=project.user_file, draft=draft)
    assert [(f.name, f.namespace, f.source) for f in settings.forwards.values()] == [
        ("web", "shop", str(file))
    ]
    with pytest.raises(ConfigError, match=r"kfw\.yaml:2:\d+: unknown key"):
        wrong = draft.edited(lambda before, at: before.replace("target", "tagret"), "")
        load(project.here, user_file=project.user_file, draft=wrong)
    assert file.read_text() == TEXT


@pytest.mark.parametrize("data", [b"\xff\xfe", b"a\0b", b"\x80"])
def test_what_cannot_be_read_is_told_as_by_the_loader(project: Project, data: bytes) -> None:
    project.write("kfw.yaml", data)
    with pytest.raises(ConfigError, match=r"kfw\.yaml:1:"):
        project_draft(project.here)


def test_a_folder_that_cannot_be_written_is_named(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*args: object) -> None:
        raise KfwError("cannot write kfw.yaml: Permission denied")

    monkeypatch.setattr("kfw.config.save.write_atomic", refuse)
    with pytest.raises(KfwError, match="Permission denied"):
        _edited(project, TEXT)
    assert not (project.here / "kfw.yaml").exists()


def test_what_cannot_be_edited_names_the_way_by_hand(project: Project) -> None:
    from kfw.config.edit import without_forward

    project.write("kfw.yaml", TEXT)
    with pytest.raises(UsageError) as caught:
        project_draft(project.here).edited(lambda text, at: without_forward(text, at, "web"), "by hand")
    assert caught.value.what == "cannot change kfw.yaml: it has no 'web'"
    assert caught.value.fix == "by hand"


def test_paths_are_absolute_wherever_it_is_called(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(project.here)
    assert project_draft(Path()).path == project.here / "kfw.yaml"
