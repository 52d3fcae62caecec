"""The kubeconfig of a sandbox, as text: one cluster, one user, one context, credentials inside. Pure."""

import base64

CONTEXT = "kfw-sandbox"

_TEMPLATE = """\
apiVersion: v1
kind: Config
clusters:
- name: {name}
  cluster:
    server: {server}
    certificate-authority-data: {ca}
users:
- name: {user}
  user:
{credentials}
contexts:
- name: {name}
  context:
    cluster: {name}
    user: {user}
    namespace: {namespace}
current-context: {name}
"""


def with_certificate(server: str, ca: bytes, certificate: bytes, key: bytes, *, user: str) -> str:
    """PEM goes in, base64 of it stands in the file."""
    credentials = f"    client-certificate-data: {_base64(certificate)}\n    client-key-data: {_base64(key)}"
    return _filled(server, ca, user, credentials, "default")


def with_token(server: str, ca: bytes, token: str, *, user: str, namespace: str) -> str:
    return _filled(server, ca, user, f"    token: {token}", namespace)


def _filled(server: str, ca: bytes, user: str, credentials: str, namespace: str) -> str:
    return _TEMPLATE.format(
        name=CONTEXT, server=server, ca=_base64(ca), user=user, credentials=credentials, namespace=namespace
    )


def _base64(data: bytes) -> str:
    return base64.b64encode(data).decode()
