"""A project folder with a kfw.yaml and a kubeconfig of its own."""

import json
from pathlib import Path
from typing import Any


def kubeconfig(folder: Path, *contexts: str, current: str = "kind-dev") -> Path:
    """Its servers do not exist: pinning reads the file and asks nobody."""
    names = contexts or ("kind-dev",)
    file = folder / "kubeconfig"
    clusters = [{"name": name, "cluster": {"server": "https://127.0.0.1:1"}} for name in names]
    users = [{"name": name, "user": {"token": "secret"}} for name in names]
    known = [
        {"name": name, "context": {"cluster": name, "user": name, "namespace": "shop"}} for name in names
    ]
    content = {"apiVersion": "v1", "kind": "Config", "current-context": current}
    file.write_text(json.dumps(content | {"clusters": clusters, "users": users, "contexts": known}))
    return file


def configure(folder: Path, forwards: dict[str, dict[str, Any]], **more: Any) -> Path:
    """JSON is YAML."""
    file = folder / "kfw.yaml"
    file.write_text(json.dumps({"portForwards": forwards, **more}))
    return file
