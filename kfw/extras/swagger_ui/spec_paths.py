"""Where a REST API may describe itself: what its config says first, then the usual places. Pure."""

#: Of Swagger 2 and OpenAPI 3, as the frameworks have them: Spring, ASP.NET, FastAPI, Go's swag, Quarkus, Micronaut.
USUAL = (
    "openapi.json",
    "openapi.yaml",
    "openapi.yml",
    "swagger.json",
    "swagger.yaml",
    "v3/api-docs",
    "v2/api-docs",
    "swagger/v1/swagger.json",
    "swagger/doc.json",
    "q/openapi",
)
#: Where the config names a folder, or the API's own page.
_BESIDE = ("openapi.json", "openapi.yaml", "swagger.json", "doc.json")
#: In front of a path where the config names no base path: kportforward's way.
_DEFAULT_API = "api"


def spec_paths(api_path: str, swagger_path: str) -> list[str]:
    """Paths with their query, in the order in which they are tried; none twice."""
    api, named = api_path.strip("/"), swagger_path.strip("/")
    found: list[str] = []
    if named:
        bases = list(dict.fromkeys((api or _DEFAULT_API, "")))
        whole = [_joined(base, named) for base in bases]
        found += whole
        found += [_joined(path, file) for path in whole if "." not in path for file in _BESIDE]
    for base in dict.fromkeys((api, "")):
        found += [_joined(base, file) for file in USUAL]
    return list(dict.fromkeys(found))


def _joined(base: str, path: str) -> str:
    return "/" + "/".join(part for part in (base.strip("/"), path) if part)
