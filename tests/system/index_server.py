"""A package index of its own: PEP 691, over HTTP."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from kfw.system.installation import DISTRIBUTION


@dataclass
class PackageIndex:
    """`files` are those of kfw; `body` is sent in their place. `asked`: the headers of each question."""

    files: list[dict[str, Any]] = field(default_factory=list)
    body: bytes | None = None
    status: int = 200
    asked: list[dict[str, str]] = field(default_factory=list)
    url: str = ""

    def has(self, *versions: str, **more: Any) -> None:
        stem = DISTRIBUTION.replace("-", "_")
        self.files += [{"filename": f"{stem}-{version}-py3-none-any.whl", **more} for version in versions]


@contextmanager
def serving_index() -> Iterator[PackageIndex]:
    index = PackageIndex()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            index.asked.append({name.lower(): value for name, value in self.headers.items()})
            known = self.path == f"/simple/{DISTRIBUTION}/"
            body = json.dumps({"meta": {"api-version": "1.1"}, "files": index.files}).encode()
            body = index.body if index.body is not None else body
            self.send_response(index.status if known else 404)
            self.send_header("Content-Type", "application/vnd.pypi.simple.v1+json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    index.url = f"http://127.0.0.1:{server.server_port}/simple"
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    try:
        yield index
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
