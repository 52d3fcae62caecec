"""docs/openapi.json is what the daemon serves. After a change: python -m tests.daemon.test_openapi"""

import json
from pathlib import Path

from kfw.daemon.handlers import ROUTES
from kfw.daemon.openapi import document

COMMITTED = Path(__file__).parents[2] / "docs" / "openapi.json"


def text() -> str:
    return json.dumps(document(ROUTES), indent=2, sort_keys=True) + "\n"


def test_the_committed_document_is_the_one_that_is_served() -> None:
    assert COMMITTED.read_text() == text()


def test_every_reference_in_it_leads_somewhere() -> None:
    whole = document(ROUTES)
    names = {word.split('"')[0] for word in json.dumps(whole).split("#/components/schemas/")[1:]}
    assert names <= set(whole["components"]["schemas"])


def test_every_route_is_in_it() -> None:
    paths = document(ROUTES)["paths"]
    assert {(route.method.lower(), route.path) for route in ROUTES} == {
        (method, path) for path, methods in paths.items() for method in methods
    }


if __name__ == "__main__":
    COMMITTED.write_text(text())
