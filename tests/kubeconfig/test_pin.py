"""A forward is pinned to a context by name."""

import json
import os
from dataclasses import replace
from pathlib import Path

import pytest

from kfw.errors import UsageError
from kfw.kubeconfig.load import load
from kfw.kubeconfig.pin import followed_files, pin
from kfw.model import Forward, Target
from kfw.system.changes import stamp
from tests.kubeconfig.test_entries import entry, write


def forward(name: str = "api", **more: object) -> Forward:
    return Forward(
        **{
            "name": name,
            "target": Target.parse("service/api"),
            "target_port": 80,
            "local_port": 8080,
            "namespace": "",
            **more,
        }
    )  # type: ignore[arg-type]


def two(tmp_path: Path) -> str:
    dev, prod = entry("dev"), entry("prod")
    dev["current-context"] = "dev"
    prod["contexts"][0]["context"]["namespace"] = "shop"
    return os.pathsep.join([write(tmp_path / "dev", dev), write(tmp_path / "prod", prod)])


def test_A9_the_current_context_is_written_into_the_forward_by_name(tmp_path: Path) -> None:
    listed = two(tmp_path)
    (pinned,) = pin([forward()], listed)
    changed = json.loads((tmp_path / "dev").read_text())
    changed["current-context"] = "prod"
    write(tmp_path / "dev", changed)

    assert (pinned.context, pinned.context_is_default) == ("dev", True)
    assert load(pinned.kubeconfig).access(pinned.context).cluster.server == "https://dev.example.com"
    assert load(pinned.kubeconfig).current_context == "prod"


def test_A35_forwards_to_two_contexts_are_pinned_each_to_its_own(tmp_path: Path) -> None:
    one, other = pin([forward("a", context="dev"), forward("b", context="prod")], two(tmp_path))

    assert (one.context, one.namespace, one.context_is_default) == ("dev", "default", False)
    assert (other.context, other.namespace, other.context_is_default) == ("prod", "shop", False)


def test_a_namespace_that_was_named_stays(tmp_path: Path) -> None:
    (pinned,) = pin([forward(context="prod", namespace="mine")], two(tmp_path))

    assert pinned.namespace == "mine"


def test_the_kubeconfig_is_kept_as_absolute_paths(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    listed = two(tmp_path)
    monkeypatch.chdir(tmp_path)

    (own,) = pin([forward(kubeconfig=("prod",), context="prod")], listed)
    (default,) = pin([forward()], listed)

    assert own.kubeconfig == (str(tmp_path / "prod"),)
    assert default.kubeconfig == (str(tmp_path / "dev"), str(tmp_path / "prod"))


def test_every_context_that_does_not_exist_is_named_at_once_with_those_that_do(tmp_path: Path) -> None:
    wrong = [
        forward("a", context="staging"),
        forward("b"),
        forward("c", context="qa"),
        forward("d", context="qa"),
    ]

    with pytest.raises(UsageError) as caught:
        pin(wrong, two(tmp_path))

    assert caught.value.reason == "context-not-found"
    assert caught.value.exit_code == 2
    assert 'context "staging" does not exist' in caught.value.what
    assert caught.value.what.count('context "qa"') == 1
    assert caught.value.fix == "use one of: dev, prod"


def test_no_current_context_lists_the_names(tmp_path: Path) -> None:
    with pytest.raises(UsageError) as caught:
        pin([forward()], write(tmp_path / "a", entry("dev")))

    assert "no current-context" in caught.value.what
    assert caught.value.fix == "name one with --context: dev"


def test_no_kubeconfig_at_all_says_how_to_get_one(tmp_path: Path) -> None:
    with pytest.raises(UsageError) as caught:
        pin([forward()], str(tmp_path / "none"))

    assert str(tmp_path / "none") in caught.value.what
    assert "kfw sandbox start" in caught.value.fix


def test_no_forwards_need_no_kubeconfig(tmp_path: Path) -> None:
    assert pin([], str(tmp_path / "none")) == []


def test_A9_what_follows_is_pinned_to_the_current_context_and_its_files_are_those_to_watch(
    tmp_path: Path,
) -> None:
    listed = two(tmp_path)
    files = tuple(listed.split(os.pathsep))
    (pinned,) = pin([forward(context_follows=True)], listed)

    assert (pinned.context, pinned.context_follows, pinned.kubeconfig) == ("dev", True, files)
    assert followed_files([forward(context="prod"), forward()], listed) == {}
    assert followed_files([forward(context_follows=True)], listed) == {file: stamp(file) for file in files}
    own = forward(context_follows=True, kubeconfig=(files[1],))
    assert followed_files([own], listed) == {files[1]: stamp(files[1])}
    assert followed_files([replace(own, kubeconfig=("/not/there",))], listed) == {"/not/there": None}
