"""The language server that editors use for YAML, spoken to as an editor does: JSON-RPC on its stdin and stdout."""

import json
import queue
import subprocess
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

T = TypeVar("T")
Json = dict[str, Any]

#: Seconds until what must come has come; only how long a failure takes.
_PATIENCE = 60.0
#: As editors send them; without the catalog of schemas on the network.
_SETTINGS = {"validate": True, "completion": True, "hover": True, "schemaStore": {"enable": False}}


class Editor:
    """With one file open. Lines and columns count from 0, as the protocol does."""

    def __init__(self, process: "subprocess.Popen[bytes]", file: Path) -> None:
        self._process = process
        self._uri = file.as_uri()
        self._version = 0
        self._number = 0
        self._messages: queue.Queue[Json] = queue.Queue()
        threading.Thread(target=self._read, daemon=True).start()
        folder = file.parent.as_uri()
        self._ask(
            "initialize",
            {
                "processId": None,
                "rootUri": folder,
                "workspaceFolders": [{"uri": folder, "name": "project"}],
                "capabilities": {
                    "workspace": {"configuration": True, "workspaceFolders": True},
                    "textDocument": {"completion": {"completionItem": {"snippetSupport": True}}},
                },
            },
        )
        self._tell("initialized", {})
        self._tell("workspace/didChangeConfiguration", {"settings": {"yaml": _SETTINGS}})

    def type(self, text: str) -> None:
        """The whole file is this now."""
        self._version += 1
        if self._version == 1:
            opened = {"uri": self._uri, "languageId": "yaml", "version": 1, "text": text}
            self._tell("textDocument/didOpen", {"textDocument": opened})
        else:
            changed = {"uri": self._uri, "version": self._version}
            self._tell(
                "textDocument/didChange", {"textDocument": changed, "contentChanges": [{"text": text}]}
            )

    def wait_for_mistakes(self, wanted: Callable[[dict[int, str]], bool]) -> dict[int, str]:
        """By line, what is underlined there, once it is as wanted."""
        return self._wait_until(
            "textDocument/publishDiagnostics",
            lambda said: {one["range"]["start"]["line"]: one["message"] for one in said["diagnostics"]},
            wanted,
        )

    def proposals(self, line: int, column: int) -> set[str]:
        where = {"textDocument": {"uri": self._uri}, "position": {"line": line, "character": column}}
        said = self._ask("textDocument/completion", where)
        return {one["label"] for one in (said["items"] if isinstance(said, dict) else said)}

    def explanation(self, line: int, column: int) -> str:
        """What is shown of the word under the pointer."""
        where = {"textDocument": {"uri": self._uri}, "position": {"line": line, "character": column}}
        said = self._ask("textDocument/hover", where)
        return json.dumps(said["contents"])

    def close(self) -> None:
        self._ask("shutdown", None)
        self._tell("exit", None)

    def _ask(self, method: str, parameters: Any) -> Any:
        self._number += 1
        number = self._number
        self._send({"id": number, "method": method, "params": parameters})
        while True:
            message = self._next(method)
            if message.get("id") == number and "method" not in message:
                assert "error" not in message, message
                return message["result"]

    def _wait_until(self, method: str, read: Callable[[Json], T], wanted: Callable[[T], bool]) -> T:
        seen: list[T] = []
        while not seen or not wanted(seen[-1]):
            message = self._next(f"{method} as wanted, after {seen}")
            if message.get("method") == method and message["params"]["uri"] == self._uri:
                seen.append(read(message["params"]))
        return seen[-1]

    def _next(self, awaited: str) -> Json:
        """What the server says; what it asks is answered."""
        try:
            message = self._messages.get(timeout=_PATIENCE)
        except queue.Empty as error:
            raise AssertionError(f"the server says nothing: {awaited}") from error
        if "id" in message and "method" in message:
            self._send({"id": message["id"], "result": _answer(message)})
        return message

    def _tell(self, method: str, parameters: Any) -> None:
        self._send({"method": method, "params": parameters})

    def _send(self, message: Mapping[str, Any]) -> None:
        assert self._process.stdin
        body = json.dumps({"jsonrpc": "2.0", **message}).encode()
        self._process.stdin.write(b"Content-Length: %d\r\n\r\n%s" % (len(body), body))
        self._process.stdin.flush()

    def _read(self) -> None:
        assert self._process.stdout
        for message in _messages(self._process.stdout.readline, self._process.stdout.read):
            self._messages.put(message)


def _messages(readline: Callable[[], bytes], read: Callable[[int], bytes]) -> Iterator[Json]:
    length = 0
    while line := readline():
        name, _, value = line.decode().partition(":")
        if name.lower() == "content-length":
            length = int(value)
        elif not line.strip():
            yield json.loads(read(length))


def _answer(question: Json) -> Any:
    if question["method"] != "workspace/configuration":
        return None
    return [_SETTINGS if one.get("section") == "yaml" else {} for one in question["params"]["items"]]


@contextmanager
def editor(program: Path, file: Path) -> Iterator[Editor]:
    """`program`: the path of yaml-language-server."""
    pipe = subprocess.PIPE
    with subprocess.Popen([program, "--stdio"], stdin=pipe, stdout=pipe, cwd=file.parent) as process:
        try:
            opened = Editor(process, file)
            yield opened
            opened.close()
            assert process.wait(_PATIENCE) == 0
        finally:
            process.kill()
