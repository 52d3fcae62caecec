"""Where a description is looked for: where the config says first."""

import pytest

from kfw.extras.swagger_ui.swagger_page import USUAL, spec_paths


@pytest.mark.parametrize(
    ("api", "named", "first"),
    [
        ("api/v1", "docs/swagger", ["/api/v1/docs/swagger", "/docs/swagger"]),
        ("/api/v1/", "/docs/swagger/", ["/api/v1/docs/swagger", "/docs/swagger"]),
        ("", "docs/swagger", ["/api/docs/swagger", "/docs/swagger"]),
        ("", "openapi.json", ["/api/openapi.json", "/openapi.json", "/openapi.yaml"]),
        ("v2", "openapi.yaml", ["/v2/openapi.yaml", "/openapi.yaml", "/v2/openapi.json"]),
        ("v2", "", ["/v2/openapi.json"]),
    ],
)
def test_A20_what_the_config_names_comes_first(api: str, named: str, first: list[str]) -> None:
    assert spec_paths(api, named)[: len(first)] == first


@pytest.mark.parametrize("named", ["docs/swagger", "openapi.json", ""])
def test_then_come_the_usual_places_below_the_api_and_at_the_root_each_once(named: str) -> None:
    found = spec_paths("v1", named)
    assert {f"/v1/{place}" for place in USUAL} | {f"/{place}" for place in USUAL} <= set(found)
    assert len(found) == len(set(found))


def test_beside_a_page_of_documentation_its_description_is_looked_for() -> None:
    assert "/api/docs/swagger/doc.json" in spec_paths("", "docs/swagger")
    assert "/openapi.json/openapi.json" not in spec_paths("", "openapi.json")
