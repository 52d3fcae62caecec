"""An HTTPS server of a few files, with an ETag each, that counts what it is asked."""

import hashlib
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from tests.kube.certificates import ca, pair, server_context


@dataclass
class HttpsFiles:
    """`files`: by path. `status` is answered for all; `redirects`: from a path to an address."""

    files: dict[str, bytes] = field(default_factory=dict)
    status: int = 200
    redirects: dict[str, str] = field(default_factory=dict)
    #: It takes connections and closes them.
    gone: bool = False
    #: So many bytes more are promised than are sent.
    lacks: int = 0
    #: (path, status) of each answer, and the headers of the last question.
    asked: list[tuple[str, int]] = field(default_factory=list)
    headers: dict[str, str] = field(default_factory=dict)
    port: int = 0
    #: Waits here before it answers, when it is not set.
    open: threading.Event = field(default_factory=threading.Event)

    def url(self, path: str) -> str:
        return f"https://127.0.0.1:{self.port}{path}"

    def sha256(self, path: str) -> str:
        return hashlib.sha256(self.files[path]).hexdigest()


@contextmanager
def serving_files(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[HttpsFiles]:
    """Trusted by this process and its children, by SSL_CERT_FILE."""
    (folder / "ca.crt").write_bytes(ca())
    monkeypatch.setenv("SSL_CERT_FILE", str(folder / "ca.crt"))
    for name in ("https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    site = HttpsFiles()
    site.open.set()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            site.open.wait(60)
            if site.gone:
                self.close_connection = True
                return
            site.headers = {name.lower(): value for name, value in self.headers.items()}
            path = self.path.partition("?")[0]
            body = site.files.get(path, b"")
            etag = f'"{hashlib.sha256(body).hexdigest()[:8]}"'
            status = site.status if path in site.files else 404
            if path in site.redirects:
                status = 302
            elif status == 200 and self.headers.get("If-None-Match") == etag:
                status, body = 304, b""
            site.asked.append((path, status))
            self.send_response(status)
            if status == 302:
                self.send_header("Location", site.redirects[path])
            self.send_header("ETag", etag)
            self.send_header("Content-Length", str(len(body) + site.lacks))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    context = server_context(pair("files", "127.0.0.1"))
    server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
    site.port = server.server_port
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    try:
        yield site
    finally:
        site.open.set()
        server.shutdown()
        server.server_close()
        thread.join()


def team_defaults(namespace: str, port: int) -> bytes:
    """A config with one forward: `web`, which leads to the service of that name."""
    entry = f"{{target: service/web, targetPort: 80, namespace: {namespace}, localPort: {port}}}"
    return f"portForwards:\n  web: {entry}\n".encode()
