"""Login plugins: one run of one, and what it answers.

client.authentication.k8s.io v1 and v1beta1:
https://kubernetes.io/docs/reference/access-authn-authz/authentication/#client-go-credential-plugins
"""

import asyncio
import base64
import os
import shutil
import signal
import tempfile
from collections.abc import Mapping
from contextlib import suppress
from datetime import datetime
from typing import IO, Any

import msgspec
from msgspec import Struct

from kfw.errors import KfwError, LoginError, ToolMissing
from kfw.kubeconfig.entries import Cluster, Exec

_VERSIONS = ("client.authentication.k8s.io/v1", "client.authentication.k8s.io/v1beta1")
#: Seconds that a login may take: somebody may have to press a button in a browser.
TIMEOUT = 60.0
#: Bytes of a plugin's answer and of its complaints that are read at most.
_MOST = 1 << 20


class Status(Struct, rename="camel", kw_only=True):
    token: str | None = None
    client_certificate_data: str | None = None
    client_key_data: str | None = None
    expiration_timestamp: datetime | None = None


class Answer(Struct, rename="camel"):
    """ExecCredential, as the plugin prints it."""

    api_version: str
    kind: str
    status: Status | None = None


async def run(
    plugin: Exec,
    user: str,
    cluster: Cluster,
    timeout: float = TIMEOUT,
    environ: Mapping[str, str] = os.environ,
) -> Status:
    """`environ`: that of whoever wants to log in; the plugin's own variables come on top of it.

    Raises ToolMissing with the plugin's installHint, or LoginError with the plugin's own last words."""
    _check(plugin, user)
    with _pad() as out, _pad() as complaints:
        code = await _finish(await _start(plugin, cluster, out, complaints, environ), plugin, timeout)
        printed, said = _written(out), _last_lines(_written(complaints))
    if code != 0:
        words = said or f"it ended with code {code} and said nothing"
        raise LoginError(f"{_named(plugin)} cannot log in user {user}: {words}", _by_hand(plugin))
    try:
        answer = msgspec.json.decode(printed, type=Answer)
    except msgspec.DecodeError as error:
        raise LoginError(f"{_named(plugin)} printed no ExecCredential: {error}", _by_hand(plugin)) from error
    return _checked(answer, plugin)


def info(plugin: Exec, cluster: Cluster) -> bytes:
    """KUBERNETES_EXEC_INFO. Never interactive: kfw has no terminal to ask on."""
    spec: dict[str, Any] = {"interactive": False}
    if plugin.provide_cluster_info:
        spec["cluster"] = _cluster_info(cluster)
    return msgspec.json.encode({"apiVersion": plugin.api_version, "kind": "ExecCredential", "spec": spec})


def _cluster_info(cluster: Cluster) -> dict[str, Any]:
    try:
        ca = base64.b64encode(cluster.ca.read()).decode() if cluster.ca else ""
    except OSError as error:
        raise LoginError(
            f"cannot read the certificate-authority of cluster {cluster.name}: {error}"
        ) from error
    every = {
        "server": cluster.server,
        "tls-server-name": cluster.tls_server_name,
        "insecure-skip-tls-verify": cluster.insecure,
        "certificate-authority-data": ca,
        "proxy-url": cluster.proxy_url,
        "config": msgspec.Raw(cluster.exec_config.encode()) if cluster.exec_config else None,
    }
    return {key: value for key, value in every.items() if value}


def _check(plugin: Exec, user: str) -> None:
    if plugin.api_version not in _VERSIONS:
        raise LoginError(
            f"user {user} logs in with {_named(plugin)} by {plugin.api_version}, which Kubernetes has removed",
            f"set apiVersion of the exec entry to {_VERSIONS[0]}, perhaps after an update of the plugin",
        )
    if plugin.interactive_mode == "Always":
        raise LoginError(
            f"{_named(plugin)} needs a terminal to log in user {user} (interactiveMode Always), and kfw has none",
            f"use a plugin that needs none, or log in by hand: {' '.join((plugin.command, *plugin.args))}",
        )


def _pad() -> IO[bytes]:
    """What the child writes on. No pipe, as an agent that a plugin leaves behind would hold it open.

    In memory where the system can do that: there will be a token on it.
    """
    if hasattr(os, "memfd_create"):
        return os.fdopen(os.memfd_create("kfw-login"), "w+b")
    return tempfile.TemporaryFile()


def _written(pad: IO[bytes]) -> bytes:
    size = pad.seek(0, os.SEEK_END)
    pad.seek(max(size - _MOST, 0))
    return pad.read()


async def _start(
    plugin: Exec, cluster: Cluster, out: IO[bytes], complaints: IO[bytes], environ: Mapping[str, str]
) -> asyncio.subprocess.Process:
    """The command is looked for on the caller's PATH, as kubectl does it: event loops differ in whose they use."""
    program = shutil.which(plugin.command, path=environ.get("PATH", os.defpath))
    variables: Mapping[str, str] = {
        **environ,
        **dict(plugin.env),
        "KUBERNETES_EXEC_INFO": info(plugin, cluster).decode(),
    }
    try:
        return await asyncio.create_subprocess_exec(
            program or plugin.command,
            *plugin.args,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=out,
            stderr=complaints,
            env=variables,
            start_new_session=True,
        )
    except OSError as error:
        raise _missing(plugin, error) from error


def _missing(plugin: Exec, error: OSError) -> KfwError:
    if isinstance(error, FileNotFoundError):
        hint = plugin.install_hint or f"install {plugin.command}, or add its folder to PATH"
        return ToolMissing(f"cannot log in: {plugin.command} is not installed", hint)
    words = f"cannot log in: {plugin.command}: {error.strerror}"
    return ToolMissing(words, plugin.install_hint or f"ls -l {plugin.command}")


async def _finish(child: asyncio.subprocess.Process, plugin: Exec, timeout: float) -> int:
    try:
        async with asyncio.timeout(timeout):
            return await child.wait()
    except TimeoutError as error:
        raise LoginError(
            f"{_named(plugin)} has not answered within {timeout:g} s", _by_hand(plugin)
        ) from error
    finally:
        await _end(child)


async def _end(child: asyncio.subprocess.Process) -> None:
    """Ends a plugin that still runs, with its group. One that has ended may have left an agent behind on purpose."""
    if child.returncode is None:
        with suppress(ProcessLookupError):
            os.killpg(child.pid, signal.SIGKILL)
        await child.wait()


def _last_lines(written: bytes) -> str:
    lines = [line.strip() for line in written.decode(errors="replace").splitlines() if line.strip()]
    return "; ".join(lines[-3:])


def _checked(answer: Answer, plugin: Exec) -> Status:
    if answer.kind != "ExecCredential" or answer.api_version != plugin.api_version:
        what = f"{answer.kind} of {answer.api_version} instead of ExecCredential of {plugin.api_version}"
        raise LoginError(f"{_named(plugin)} printed a {what}", "set apiVersion of the exec entry to that")
    status = answer.status
    if status is None or not (status.token or (status.client_certificate_data and status.client_key_data)):
        raise LoginError(f"{_named(plugin)} printed neither a token nor a certificate", _by_hand(plugin))
    return status


def _named(plugin: Exec) -> str:
    return f"the login plugin {os.path.basename(plugin.command)}"  # noqa: PTH119  # it may be no path


def _by_hand(plugin: Exec) -> str:
    return f"try it by hand: {' '.join((plugin.command, *plugin.args))}"
