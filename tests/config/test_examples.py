"""The configs that the seeds print, byte for byte, and what they come to."""

import re
from pathlib import Path

import pytest

from kfw.config.layers import EMBEDDED
from kfw.model import Forward, Kind, Target
from tests.config.fakes import DATA, Project

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


@pytest.mark.skipif(not SEEDS.is_dir(), reason="the seeds are not here")
@pytest.mark.parametrize("seed", ["000", "004"])
def test_the_examples_are_those_that_the_seeds_print(seed: str) -> None:
    [printed] = [path.read_text(encoding="utf-8") for path in SEEDS.glob(f"{seed}_*.txt")]
    blocks = re.findall(r"```yaml\n(.*?)```", printed, re.DOTALL)
    kept = [path.read_text(encoding="utf-8") for path in DATA.glob(f"seed_{seed}_*.yaml")]
    assert sorted(blocks) == sorted(kept)


def test_every_example_in_the_manual_loads_when_its_comment_sign_is_taken_away(project: Project) -> None:
    examples, _, _ = EMBEDDED.read_text(encoding="utf-8").partition("# What holds for every forward")
    project.write("kfw.yaml", re.sub(r"(?m)^  # ", "  ", examples))
    settings = project.load()
    assert set(settings.forwards) == {"api", "orders"}
    assert list(settings.selections) == ["by-label"]
