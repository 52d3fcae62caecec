"""A running sandbox from outside, over its API: what `kfw demo` needs to end pods, and no more. Blocking."""

import http.client
import json
import ssl
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

from kfw.errors import ClusterUnreachable, KfwError
from kfw.sandbox.certs import key_of

_SECONDS = 5.0


class Remote:
    """`url` is its record's; `directory` holds its certificates. Calls raise ClusterUnreachable, KfwError."""

    def __init__(self, url: str, directory: Path) -> None:
        self._address = urlsplit(url)
        self._tls = ssl.create_default_context(cafile=str(directory / "ca.crt"))
        self._tls.load_cert_chain(directory / "client.crt", key_of(directory / "client.crt"))

    def ready_pods(self, namespace: str, app: str) -> list[str]:
        """Names of the pods with the label app=`app` that are ready and not leaving."""
        found = self._ask("GET", f"/api/v1/namespaces/{namespace}/pods?labelSelector=app%3D{quote(app)}")[
            "items"
        ]
        return [pod["metadata"]["name"] for pod in found if _serves(pod)]

    def delete_pod(self, namespace: str, name: str) -> None:
        """As `kubectl delete pod`: with its grace."""
        self._ask("DELETE", f"/api/v1/namespaces/{namespace}/pods/{name}")

    def _ask(self, method: str, path: str) -> Any:
        host, port = self._address.hostname or "", self._address.port
        connection = http.client.HTTPSConnection(host, port, context=self._tls, timeout=_SECONDS)
        try:
            connection.request(method, path)
            response = connection.getresponse()
            answer = json.loads(response.read())
        except (OSError, http.client.HTTPException, ValueError) as problem:
            raise ClusterUnreachable(
                f"the sandbox does not answer: {problem}", "`kfw sandbox status`"
            ) from problem
        finally:
            connection.close()
        if response.status >= 400:
            raise KfwError(f"the sandbox refuses {method} {path}: {answer.get('message', response.reason)}")
        return answer


def _serves(pod: dict[str, Any]) -> bool:
    ready = {one["type"]: one["status"] for one in pod["status"].get("conditions", [])}.get("Ready") == "True"
    return ready and "deletionTimestamp" not in pod["metadata"]
