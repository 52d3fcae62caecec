"""Which forwards the doctor looks at: those of files, those of the daemon besides, or a namespace."""

import json
from pathlib import Path
from typing import Any

import pytest

from kfw.config.layers import load_only
from kfw.config.settings import Settings
from kfw.doctor.subjects import ANY, meant
from kfw.errors import UsageError
from tests.client.fake_daemon import row


def settings(folder: Path, **content: Any) -> Settings:
    file = folder / "kfw.yaml"
    file.write_text(json.dumps(content))
    return load_only([file], folder)


API = {"target": "service/api", "targetPort": 80}
CONTENT = {
    "portForwards": {"api": API, "off": {**API, "localPort": 1234, "enabled": False}},
    "profiles": {"dev": {"portForwards": {"web": {**API, "localPort": 4321}}}},
}


@pytest.mark.parametrize(
    ("words", "names"),
    [
        ([], ["added", "api", "web"]),
        (["api"], ["api"]),
        (["off"], ["off"]),
        (["dev"], ["web"]),
        (["added"], ["added"]),
        (["a*"], ["added", "api"]),
    ],
)
def test_names_profiles_and_patterns_mean_forwards_of_files_and_of_the_daemon(
    words: list[str], names: list[str], tmp_path: Path
) -> None:
    rows = {"added": row("added"), "gone": row("gone", "stopped"), "api": row("api", target="service/other")}
    found = meant(words, settings(tmp_path, **CONTENT), rows, {})
    assert sorted(one.name for one in found) == names
    assert all(str(one.target) == "service/api" for one in found if one.name == "api")


def test_a_row_is_a_forward_in_the_kubeconfig_of_this_shell_or_of_the_flag(tmp_path: Path) -> None:
    rows = {"added": row("added", localPort=8081, context="dev", namespace="shop")}
    [found] = meant(["added"], settings(tmp_path), rows, {"kubeconfig": "/k"})
    assert (found.context, found.namespace, found.local_port, found.kubeconfig) == (
        "dev",
        "shop",
        8081,
        ("/k",),
    )


def test_without_forwards_the_namespace_of_the_flags_is_looked_at(tmp_path: Path) -> None:
    [found] = meant([], settings(tmp_path), {}, {"context": "dev", "namespace": "shop"})
    assert (found.name, found.context, found.namespace) == (ANY, "dev", "shop")


def test_of_a_profile_that_selects_each_namespace_is_looked_at(tmp_path: Path) -> None:
    content = {"profiles": {"all": {"namespaces": ["shop", "test"], "labels": ["a=b"]}}}
    found = meant([], settings(tmp_path, **content), {}, {})
    assert [(one.name, one.namespace) for one in found] == [(ANY, "shop"), (ANY, "test")]


def test_an_unknown_name_is_said_with_what_was_probably_meant(tmp_path: Path) -> None:
    with pytest.raises(UsageError) as told:
        meant(["apo"], settings(tmp_path, **CONTENT), {}, {})
    assert "did you mean api?" in told.value.fix
