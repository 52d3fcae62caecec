"""Login plugins: one run of one, and what it answers.

client.authentication.k8s.io v1 and v1beta1:
https://kubernetes.io/docs/reference/access-authn-authz/authentication/#client-go-credential-plugins
"""

import asyncio
import base64
import errno
import logging
import os
import signal
from collections import deque
from collections.abc import Callable, Mapping
from contextlib import ExitStack, suppress
from datetime import datetime
from typing import Any

import msgspec
from msgspec import Struct

from kfw.errors import KfwError, LoginError, ToolMissing, words_of
from kfw.kube.api_errors import call_words
from kfw.kube.plugin_output import Output, cause, lines_of
from kfw.kubeconfig.entries import ClusterEntry, Exec
from kfw.secret import Secret, reveal
from kfw.system.open_files import is_shortage, shortage_of
from kfw.system.tools import which

log = logging.getLogger(__name__)

_VERSIONS = ("client.authentication.k8s.io/v1", "client.authentication.k8s.io/v1beta1")
#: Bytes of an answer; more is none, and the plugin is ended.
_ANSWER = 1 << 20
#: Bytes of what it says that are kept, from the end; and after how many it is ended, as it will not stop by itself.
_KEPT, _SAID = 64 << 10, 16 << 20
#: What plugins have printed lately stays known as secret: a kubectl that runs one may quote it, and its words are logged.
_printed: deque[str | None] = deque(maxlen=64)
#: Lines of that in the log, at most.
_LOGGED = 200
#: The file is not a program, its interpreter is missing, or it is for another processor; the rest is about this machine.
_THE_FILES_FAULT = frozenset({errno.EACCES, errno.ENOEXEC, errno.ENOTDIR, errno.EISDIR})

#: Is told all that the plugin has said on stderr so far, its last 64 KiB, whenever it says more.
Told = Callable[[bytes], None]


class PluginStatus(Struct, rename="camel", kw_only=True):
    """The token and the key are Secrets in what `run` gives."""

    token: str | None = None
    client_certificate_data: str | None = None
    client_key_data: str | None = None
    expiration_timestamp: datetime | None = None

    def __repr__(self) -> str:
        return f"Status(expiration_timestamp={self.expiration_timestamp})"


class PluginAnswer(Struct, rename="camel"):
    """ExecCredential, as the plugin prints it."""

    api_version: str
    kind: str
    status: PluginStatus | None = None


async def run(
    plugin: Exec,
    user: str,
    cluster: ClusterEntry,
    *,
    ca: bytes = b"",
    told: Told = lambda said: None,
    by_hand: str = "",
    timeout: float | None = None,
    environ: Mapping[str, str] = os.environ,
) -> PluginStatus:
    """`ca` is the content of the cluster's certificate-authority, `by_hand` the fix: a command that shows nothing secret.
    `environ`: that of whoever wants to log in; the plugin's own variables come on top of it.

    Raises Shortage, ToolMissing with the plugin's installHint, or LoginError with what the plugin itself gives as the cause.
    """
    _check(plugin, user, by_hand)
    variables = {
        **environ,
        **dict(plugin.env),
        "KUBERNETES_EXEC_INFO": info(plugin, cluster, ca).decode(),
    }
    with ExitStack() as stack:
        try:
            answer = stack.enter_context(Output(_ANSWER, _ANSWER))
            said = stack.enter_context(Output(_KEPT, _SAID, told))
        except OSError as error:
            if is_shortage(error):
                raise shortage_of(f"cannot run {_named(plugin)}", error) from error
            raise LoginError(f"cannot run {_named(plugin)}: {call_words(error)}", by_hand) from error
        child = await _start(plugin, variables, answer, said, by_hand)
        code = await _finish(child, plugin, timeout, (answer, said), by_hand)
    status, fault = _read(answer.data)
    lines = lines_of(said.data)  # only now, as its token is known as a secret
    _log(plugin, user, lines)
    if code != 0:
        words = cause(lines) or f"it ended with code {code} and said nothing"
        raise LoginError(f"{_named(plugin)} cannot log in user {user}: {words}", by_hand)
    if status is None:
        raise LoginError(f"{_named(plugin)} printed no ExecCredential: {fault}", by_hand)
    return _checked(status, plugin, by_hand)


def info(plugin: Exec, cluster: ClusterEntry, ca: bytes = b"") -> bytes:
    """KUBERNETES_EXEC_INFO. Never interactive: kfw has no terminal to ask on."""
    spec: dict[str, Any] = {"interactive": False}
    if plugin.provide_cluster_info:
        spec["cluster"] = _cluster_info(cluster, ca)
    return msgspec.json.encode({"apiVersion": plugin.api_version, "kind": "ExecCredential", "spec": spec})


def _cluster_info(cluster: ClusterEntry, ca: bytes) -> dict[str, Any]:
    every = {
        "server": reveal(cluster.server),
        "tls-server-name": cluster.tls_server_name,
        "insecure-skip-tls-verify": cluster.insecure,
        "certificate-authority-data": base64.b64encode(ca).decode(),
        "proxy-url": reveal(cluster.proxy_url),
        "config": msgspec.Raw(cluster.exec_config.encode()) if cluster.exec_config else None,
    }
    return {key: value for key, value in every.items() if value}


def _check(plugin: Exec, user: str, by_hand: str) -> None:
    if plugin.api_version not in _VERSIONS:
        raise LoginError(
            f"user {user} logs in with {_named(plugin)} by {plugin.api_version}, which Kubernetes has removed",
            f"set apiVersion of the exec entry to {_VERSIONS[0]}, perhaps after an update of the plugin",
        )
    if plugin.interactive_mode == "Always":
        raise LoginError(
            f"{_named(plugin)} needs a terminal to log in user {user} (interactiveMode Always), and kfw has none",
            f"use a plugin that needs none, or one that remembers the login after {by_hand or 'kubectl'}",
        )


async def _start(
    plugin: Exec, variables: Mapping[str, str], answer: Output, said: Output, by_hand: str
) -> asyncio.subprocess.Process:
    """The command is looked for on the caller's PATH, as kubectl does it: event loops differ in whose they use."""
    program = which(plugin.command, variables.get("PATH", os.defpath))
    try:
        return await asyncio.create_subprocess_exec(
            program or plugin.command,
            *map(reveal, plugin.args),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=answer.theirs,
            stderr=said.theirs,
            env=variables,
            start_new_session=True,
        )
    except OSError as error:
        raise _not_run(plugin, program, error, by_hand) from error
    finally:
        answer.given()
        said.given()


def _not_run(plugin: Exec, program: str | None, error: OSError, by_hand: str) -> KfwError:
    if isinstance(error, FileNotFoundError) and program is None:
        hint = plugin.install_hint or f"install {plugin.command}, or add its folder to PATH"
        return ToolMissing(f"cannot log in: {plugin.command} is not installed", hint)
    if is_shortage(error):
        return shortage_of(f"cannot run {_named(plugin)}", error)
    words = f"cannot log in: {plugin.command}: {words_of(error)}"
    if isinstance(error, FileNotFoundError):
        return ToolMissing(f"{words}: the interpreter that its first line names", f"head -1 {program}")
    if error.errno in _THE_FILES_FAULT:
        return ToolMissing(words, plugin.install_hint or f"ls -l {plugin.command}")
    return LoginError(words, by_hand)


async def _finish(
    child: asyncio.subprocess.Process,
    plugin: Exec,
    timeout: float | None,
    outputs: tuple[Output, Output],
    by_hand: str,
) -> int:
    """Its exit code. What it has started may live on; it is not waited for."""
    over = asyncio.ensure_future(child.wait())
    floods = [output.too_much for output in outputs]
    either: list[asyncio.Future[Any]] = [over, *floods]
    try:
        await asyncio.wait(either, timeout=timeout, return_when=asyncio.FIRST_COMPLETED)
        if any(flood.done() for flood in floods):
            raise LoginError(
                f"{_named(plugin)} was ended: it writes without end, more than {_ANSWER >> 20} MB on stdout "
                f"or {_SAID >> 20} MB on stderr",
                by_hand,
            )
        if not over.done():
            raise LoginError(f"{_named(plugin)} has not answered within {timeout:g} s", by_hand)
        return over.result()
    finally:
        left_behind = over.done()
        await _end(child)
        await asyncio.wait([over])
        for output in outputs:
            output.finish(left_behind=left_behind)


async def _end(child: asyncio.subprocess.Process) -> None:
    """Ends a plugin that still runs, with its group. One that has ended may have left an agent behind on purpose."""
    if child.returncode is None:
        with suppress(ProcessLookupError):
            os.killpg(child.pid, signal.SIGKILL)


def _read(printed: bytes) -> tuple[PluginAnswer | None, str]:
    """JSON, or YAML as kubectl takes it; None with what is wrong. What is secret in it is known as such from now on."""
    try:
        answer = msgspec.json.decode(printed, type=PluginAnswer)
    except RecursionError:
        return None, "it is nested too deeply"
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        return _read_yaml(printed, str(error))
    return _with_secrets(answer), ""


def _with_secrets(answer: PluginAnswer) -> PluginAnswer:
    if status := answer.status:
        status.token = Secret(status.token) if status.token else None
        _printed.append(status.token)
        status.client_key_data = Secret(status.client_key_data) if status.client_key_data else None
    return answer


def _read_yaml(printed: bytes, fault: str) -> tuple[PluginAnswer | None, str]:
    from kfw.kubeconfig.yaml_tree import BadYaml, load_yaml  # most plugins print JSON

    try:
        found = load_yaml(printed)
        if not isinstance(found, dict):
            return None, fault if printed.lstrip()[:1] == b"{" else "it is neither JSON nor YAML of an object"
        return _with_secrets(msgspec.convert(found, PluginAnswer)), ""
    except (BadYaml, msgspec.ValidationError) as error:
        return None, fault if printed.lstrip()[:1] == b"{" else str(error)


def _checked(answer: PluginAnswer, plugin: Exec, by_hand: str) -> PluginStatus:
    if answer.kind != "ExecCredential" or answer.api_version != plugin.api_version:
        what = f"{answer.kind[:100]} of {answer.api_version[:100]} instead of ExecCredential of {plugin.api_version}"
        raise LoginError(f"{_named(plugin)} printed a {what}", "set apiVersion of the exec entry to that")
    status = answer.status
    if status is None or not (status.token or (status.client_certificate_data and status.client_key_data)):
        raise LoginError(f"{_named(plugin)} printed neither a token nor a certificate", by_hand)
    return status


def _log(plugin: Exec, user: str, lines: list[str]) -> None:
    if len(lines) > _LOGGED:
        log.info("%s of user %s said %d lines, these are the last", _named(plugin), user, len(lines))
    for line in lines[-_LOGGED:]:
        log.info("%s of user %s: %s", _named(plugin), user, line)


def _named(plugin: Exec) -> str:
    return f"the login plugin {os.path.basename(plugin.command)}"  # noqa: PTH119  # it may be no path
