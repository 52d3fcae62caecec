"""Paths of kubeconfigs in words: short below the home directory, whole elsewhere, and no other path is touched."""

import logging
from collections.abc import Iterator

import pytest

from kfw import short_paths
from kfw.short_paths import know, with_short_paths
from kfw.system.log_format import RedactingFormatter


@pytest.fixture(autouse=True)
def _nothing_is_known(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(short_paths, "_known", {})
    yield


@pytest.mark.parametrize(
    ("path", "said"),
    [
        ("/home/ada/config", "~/config"),
        ("/home/ada/.kube/config", "~/.kube/config"),
        ("/home/ada/work/customers/acme/dev.yaml", "~/.../acme/dev.yaml"),
        ("/etc/kube/config", "/etc/kube/config"),
        ("/home/adam/.kube/clusters/dev", "/home/adam/.kube/clusters/dev"),
    ],
)
def test_the_last_two_parts_below_the_home_stay(path: str, said: str) -> None:
    know(path, "/home/ada")
    assert with_short_paths(f"cannot read {path}: no such file") == f"cannot read {said}: no such file"


def test_a_path_that_begins_with_another_is_not_cut() -> None:
    know("/home/ada/a/b/c", "/home/ada")
    know("/home/ada/a/b/c.old/d", "/home/ada")
    assert with_short_paths("/home/ada/a/b/c.old/d and /home/ada/a/b/c") == "~/.../c.old/d and ~/.../b/c"


def test_what_is_no_kubeconfig_stays() -> None:
    know("/home/ada/.kube/config", "/home/ada")
    assert with_short_paths("/home/ada/shop/kfw.yaml has changed") == "/home/ada/shop/kfw.yaml has changed"


@pytest.mark.parametrize("home", ("", "/"))
def test_without_a_home_nothing_is_below_it(home: str) -> None:
    know("/root/x/y/z", home)
    assert with_short_paths("/root/x/y/z") == "/root/x/y/z"


def test_only_so_many_are_remembered() -> None:
    for number in range(short_paths.MOST + 10):
        know(f"/home/ada/{number}/x/y", "/home/ada")
    assert len(short_paths._known) == short_paths.MOST
    assert with_short_paths("/home/ada/1009/x/y") == "~/.../x/y"


def test_a_log_line_is_shortened() -> None:
    know("/home/ada/work/acme/dev.yaml", "/home/ada")
    record = logging.LogRecord(
        "kfw", logging.INFO, "", 0, "%s is gone", ("/home/ada/work/acme/dev.yaml",), None
    )
    assert RedactingFormatter("%(message)s").format(record) == "~/.../acme/dev.yaml is gone"
