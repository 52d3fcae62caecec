"""A REST API as people have them: a description, a few calls, and not a word of CORS. It remembers what it was sent."""

import json
from collections.abc import Mapping
from typing import Any

import yaml

from kfw.http.messages import Request, Response

OPERATIONS = {
    "/things/{id}": {
        "get": {
            "operationId": "thing",
            "summary": "One thing",
            "parameters": [
                {"name": "id", "in": "path", "required": True, "schema": {"type": "string"}, "type": "string"}
            ],
            "responses": {"200": {"description": "it"}},
        }
    },
    "/things": {
        "post": {
            "operationId": "make",
            "summary": "A new thing",
            "responses": {"201": {"description": "made"}},
        }
    },
}
ABOUT = {"title": "Things of a test", "version": "1"}
#: By kind: a host that is not there, so that whoever goes to it fails.
SPECS: Mapping[str, Mapping[str, Any]] = {
    "openapi-3": {
        "openapi": "3.0.3",
        "info": ABOUT,
        "servers": [{"url": "https://api.example.invalid/api/v1"}],
        "paths": OPERATIONS,
    },
    "openapi-3.1-relative": {
        "openapi": "3.1.0",
        "info": ABOUT,
        "servers": [{"url": "/api/v1"}],
        "paths": OPERATIONS,
    },
    "openapi-3-with-variables": {
        "openapi": "3.0.0",
        "info": ABOUT,
        "servers": [
            {
                "url": "{scheme}://api.example.invalid:8443/api/{version}",
                "variables": {"scheme": {"default": "https"}, "version": {"default": "v1"}},
            }
        ],
        "paths": OPERATIONS,
    },
    "swagger-2": {
        "swagger": "2.0",
        "info": ABOUT,
        "host": "api.example.invalid",
        "basePath": "/api/v1",
        "schemes": ["https"],
        "paths": OPERATIONS,
    },
}


class RestServer:
    """`path`: where its description is; `form`: json or yaml."""

    def __init__(
        self, kind: str = "openapi-3", form: str = "json", path: str = "/api/v1/docs/swagger"
    ) -> None:
        self.asked: list[Request] = []
        self.path = path
        text = json.dumps(SPECS[kind]) if form == "json" else yaml.safe_dump(SPECS[kind])
        self._spec = Response(200, text.encode(), f"application/{form}")

    async def answer(self, request: Request) -> Response:
        self.asked.append(request)
        if request.path == self.path:
            return self._spec
        if request.path == "/api/v1/things" and request.method == "POST":
            return Response(201, b'{"made": true}', headers={"location": "/api/v1/things/7"})
        if request.path.startswith("/api/v1/things/"):
            return Response(200, json.dumps({"thing": request.path.rpartition("/")[2]}).encode())
        return Response(404, b'{"no": "such thing"}')
