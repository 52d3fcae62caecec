"""What the scripts of the quick start ask of kfw and of its config; run with .venv's python.

usage: services.py names FILE      the forwards of FILE, one a line
       services.py targets FILE    their namespaces and targets
       services.py urls FILE       name and URL of each that is up; reads `kfw status --json` from stdin
       services.py since FILE      name of each that is up and since when; reads `kfw status --json` from stdin
       services.py state-dir       where kfw keeps what survives a restart
"""

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from kfw.paths import state_dir


def lines(question: str, *files: str) -> Iterator[str]:
    if question == "state-dir":
        return iter([str(state_dir())])
    forwards = _forwards(*files)
    if question == "names":
        return iter(forwards)
    if question == "targets":
        return (f"{forward['namespace']} {forward['target']}" for forward in forwards.values())
    shown = {"urls": "url", "since": "since"}.get(question)
    if not shown:
        raise SystemExit(__doc__)
    rows = [row for row in json.load(sys.stdin)["forwards"] if row["name"] in forwards and row["url"]]
    return (f"{row['name']}\t{row[shown]}" for row in rows)


def _forwards(file: str) -> dict[str, dict[str, Any]]:
    import yaml

    return dict(yaml.safe_load(Path(file).read_text(encoding="utf-8"))["portForwards"])


if __name__ == "__main__":
    for line in lines(*sys.argv[1:]):
        print(line)
