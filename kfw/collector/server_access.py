"""TLS and the login of a server that is asked: who is trusted, and the header that a token is sent in."""

import os
import ssl
from collections.abc import Mapping
from pathlib import Path

from kfw.config.collector_block import ServerAccess
from kfw.errors import KfwError, words_of
from kfw.secret import Secret
from kfw.system.files import read_bounded

#: Bytes of a token, and of a file of certificates.
_LONGEST_TOKEN, _LARGEST = 1 << 16, 4 << 20


def login_headers(access: ServerAccess, environ: Mapping[str, str] = os.environ) -> dict[str, Secret]:
    """The header with the token, by its name in lower case; without a token none. Raises KfwError."""
    if access.token_env:
        where, said = f"the variable {access.token_env}", environ.get(access.token_env, "")
    elif access.token_file:
        where, said = access.token_file, _read(access.token_file, _LONGEST_TOKEN).decode("utf-8", "replace")
    else:
        return {}
    token = said.strip()
    if not token:
        raise KfwError(f"{where} has no token")
    if not (token.isascii() and token.isprintable()):
        raise KfwError(f"what {where} holds is not a token: it has characters that a header cannot have")
    if access.token_header:
        return {access.token_header: Secret(token)}
    return {"authorization": Secret(f"Bearer {token}")}


def ca_certificates(access: ServerAccess) -> bytes | None:
    """PEM: of the CAs that are trusted; None: this machine has no file of them. Raises KfwError."""
    file = access.ca_file or ssl.get_default_verify_paths().cafile
    return _read(file, _LARGEST) if file else None


def trust(access: ServerAccess) -> ssl.SSLContext:
    """For HTTPS. Raises KfwError."""
    context = _Trust(ssl.PROTOCOL_TLS_CLIENT)
    context.server_name = access.server_name
    if not access.ca_file:
        context.load_default_certs()
        return context
    try:
        context.load_verify_locations(cadata=_read(access.ca_file, _LARGEST).decode("ascii", "replace"))
    except (ssl.SSLError, ValueError) as error:
        raise KfwError(f"{access.ca_file} has no certificates: {words_of(error)}") from error
    return context


class _Trust(ssl.SSLContext):
    """Looks for `server_name` in a certificate, where it is not \"\"."""

    server_name = ""

    def wrap_socket(self, *args: object, **more: object) -> ssl.SSLSocket:
        if self.server_name:
            more["server_hostname"] = self.server_name
        return super().wrap_socket(*args, **more)  # type: ignore[arg-type]


def _read(file: str, largest: int) -> bytes:
    try:
        return read_bounded(Path(file), largest)
    except OSError as error:
        raise KfwError(f"cannot read {file}: {words_of(error)}") from error
