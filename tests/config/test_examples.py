"""The configs that the seeds print, byte for byte, and what they come to."""

import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from kfw.config.layers import EMBEDDED
from kfw.model import Forward, Kind, Target
from tests.config.fakes import DATA, Project

NIX_BLOCK = DATA / "seed_004_home_manager.nix"
SEEDS = Path(__file__).parents[3] / "shared" / "seeds"


def test_seed_000_the_users_config_loads_unchanged(project: Project) -> None:
    settings = project.load(DATA / "seed_000_user.yaml")
    assert settings.forwards == {
        "my-service": Forward(
            name="my-service",
            target=Target(Kind.SERVICE, "my-service"),
            target_port=8080,
            local_port=9080,
            namespace="default",
            context_is_default=True,
            type="rest",
            api_path="api/v1",
            swagger_path="docs/swagger",
            source=str(DATA / "seed_000_user.yaml"),
        )
    }
    assert settings.values["monitoringInterval"] == "5s"
    assert settings.values["uiOptions"] == {"refreshRate": "1s", "theme": "dark"}


def test_seed_000_the_collector_and_its_override_load_unchanged(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", "/home/ann")
    settings = project.load(DATA / "seed_000_collector.yaml", DATA / "seed_000_collector_override.yaml")
    assert settings.values["collector"] == {
        "enabled": True,
        "tenants": ["org_abc123", "org_xyz789"],
        "services": {
            "environment": {"url": "http://localhost:50800"},
            "architectureInventory": {"host": "localhost:50100"},
            "recommendations": {"host": "localhost:50106"},
            "requirements": {"host": "localhost:50109"},
        },
        "output": {"format": "json", "destination": "/var/log/catio/usage-metrics.log"},
        "idempotency": {"stateFile": "/home/ann/.config/kportforward/collector_state.json"},
    }


def test_seed_004_the_profiles_load_unchanged(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/ann")
    settings = project.load(DATA / "seed_004_profiles.yaml")
    assert {name: one.template.enabled for name, one in settings.selections.items()} == {
        "dev-services": True,
        "staging-api": False,
    }
    assert settings.values["daemon"]["socketPath"] == "/run/kubefwd-daemon.sock"
    dev = settings.values["profiles"]["dev-services"]
    assert dev == {
        "enabled": True,
        "kubeconfig": "/home/ann/.kube/config",
        "context": "dev-cluster",
        "namespaces": ["development", "shared-services"],
        "labels": ["app.kubernetes.io/part-of=myapp"],
        "excludeServices": ["legacy-*"],
        "retry": {"maxDelay": "30s"},
    }
    assert settings.values["defaults"]["retry"]["maxDelay"] == "1m"


def test_FR_CFG_01_seed_004_its_toml_twin_means_the_same(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", "/home/ann")
    yaml_file, toml_file = (DATA / f"seed_004_profiles.{suffix}" for suffix in ("yaml", "toml"))
    as_yaml, as_toml = project.load(yaml_file), project.load(toml_file)
    assert as_toml.values == as_yaml.values
    assert as_toml.daemon == as_yaml.daemon
    assert [each.word for each in as_toml.unused] == [each.word for each in as_yaml.unused]
    for name, selecting in as_yaml.selections.items():
        template = replace(selecting.template, source=str(toml_file))
        assert as_toml.selections[name] == replace(selecting, template=template)


def test_FR_CFG_07_seed_004_the_nix_block_selects_what_the_yaml_does(project: Project) -> None:
    """Its options are those of the flake (test_flake.py), which writes its profiles into kfw's own file."""
    [(option, block)] = nix(NIX_BLOCK.read_text(encoding="utf-8")).items()
    assert option == "services.kubefwd-daemon"
    assert list(block) == ["enable", "profiles"]
    project.user_file.write_text(json.dumps({"profiles": block["profiles"]}))  # JSON is YAML
    said, full = (
        project.load(*files).selections["dev-services"] for files in ((), (DATA / "seed_004_profiles.yaml",))
    )
    assert said.template.enabled is block["enable"] is True
    assert (said.namespaces, said.labels) == (full.namespaces, full.labels)
    assert said.template.context == full.template.context == "dev-cluster"


def nix(text: str) -> dict[str, Any]:
    """What the block says: sets, lists, strings and booleans, which are JSON but for their signs."""
    text = re.sub(r"#[^\n]*", "", text)
    text = re.sub(r"([\w.-]+) = ", r'"\1": ', text)
    text = re.sub(r'" +"', '", "', text)
    text = re.sub(r",(\s*)}", r"\1}", text.replace(";", ","))
    found: dict[str, Any] = json.loads("{" + text.strip().rstrip(",") + "}")
    return found


@pytest.mark.skipif(not SEEDS.is_dir(), reason="the seeds are not here")
@pytest.mark.parametrize(("seed", "suffix"), [("000", "yaml"), ("004", "yaml"), ("004", "nix")])
def test_the_examples_are_those_that_the_seeds_print(seed: str, suffix: str) -> None:
    [printed] = [path.read_text(encoding="utf-8") for path in SEEDS.glob(f"{seed}_*.txt")]
    blocks = re.findall(rf"```{suffix}\n(.*?)```", printed, re.DOTALL)
    kept = [path.read_text(encoding="utf-8") for path in DATA.glob(f"seed_{seed}_*.{suffix}")]
    assert sorted(blocks) == sorted(kept)


def test_every_example_in_the_manual_loads_when_its_comment_sign_is_taken_away(project: Project) -> None:
    examples, _, _ = EMBEDDED.read_text(encoding="utf-8").partition("# Defaults for all forwards")
    project.write("kfw.yaml", re.sub(r"(?m)^  # ", "  ", examples))
    settings = project.load()
    assert set(settings.forwards) == {"api", "orders"}
    assert list(settings.selections) == ["by-label"]
