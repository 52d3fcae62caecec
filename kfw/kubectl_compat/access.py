"""To which API server as whom: the kubeconfig, what the command line says instead, or a pod's own service account."""

import os
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from kfw.errors import UsageError
from kfw.kube.timeouts import Timeouts
from kfw.kubeconfig import entries, urls
from kfw.kubeconfig.entries import Access, ClusterEntry, ContextEntry, Kubeconfig, Pem, UserEntry
from kfw.kubeconfig.load import Kubeconfigs, default_files
from kfw.kubectl_compat import go_parse
from kfw.kubectl_compat.flags import Arguments
from kfw.kubectl_compat.messages import KubectlError
from kfw.secret import Secret

#: What every pod finds (https://kubernetes.io/docs/tasks/run-application/access-api-from-pod/).
SERVICE_ACCOUNT = Path("/var/run/secrets/kubernetes.io/serviceaccount")


class CommandLine(Kubeconfigs):
    """The kubeconfig with what the command line says instead; the same for every context that is asked for.

    `known` is how the API server is reached, with the namespace to be used. The context stays what it was at the
    beginning: who chooses another current-context in another window means another command.
    """

    def __init__(self, arguments: Arguments, environ: Mapping[str, str]) -> None:
        """Raises KubectlError. Blocking."""
        super().__init__()
        self.timeouts = _timeouts(arguments)
        self.files = files(arguments, environ)
        self._arguments = arguments
        self._environ = environ
        self._current: str | None = None  # what the kubeconfig's current-context was
        try:
            self.known = self.access_now(self.files, "")
        except UsageError as error:
            raise KubectlError(f"error: error loading config file: {error.what}", error.fix) from error

    def names(self, files: Sequence[str]) -> tuple[str, ...]:
        return self.files

    def choose(self, content: Kubeconfig, context: str) -> Access:
        """Raises UsageError, and at the beginning KubectlError."""
        if self._current is None:
            found = access(self._arguments, content, self._environ, content.current())
            self._current = content.current()
            return found
        try:
            return access(self._arguments, content, self._environ, self._current)
        except KubectlError as error:
            raise UsageError(error.what.removeprefix("error: "), error.fix) from error


def files(arguments: Arguments, environ: Mapping[str, str]) -> tuple[str, ...]:
    """Raises KubectlError: a file that is named must be there; UsageError where there is no home to look into."""
    named = arguments.text("kubeconfig")
    if not named:
        try:
            return default_files(environ.get("KUBECONFIG"))
        except UsageError:  # no home directory: a container under a random uid, which has its service account
            if _in_cluster(environ) is None and not arguments.text("server"):
                raise
            return ()
    path = Path(named)
    if not path.exists():
        raise KubectlError(f"error: stat {named}: no such file or directory")
    return (str(path.absolute()),)


def access(arguments: Arguments, known: Kubeconfig, environ: Mapping[str, str], current: str) -> Access:
    """With the namespace that is to be used. `current`: the context's name if none is given. Raises KubectlError and
    UsageError."""
    context = _context(arguments, known, current)
    if context is None and not arguments.text("server"):
        inside = _in_cluster(environ)
        if inside is None:
            raise _nothing_named(known.files)
        return _instead(arguments, inside)
    context = context or ContextEntry("", "")
    found = Access(
        context.name, _cluster(arguments, context, known), _user(arguments, context, known), context.namespace
    )
    return _instead(arguments, found)


def _context(arguments: Arguments, known: Kubeconfig, current: str) -> ContextEntry | None:
    name = arguments.text("context") or current
    found = known.context(name) if name else None
    if name and found is None:
        raise KubectlError(
            f'error: context "{name}" does not exist',
            f"known are: {', '.join(sorted(known.contexts)) or 'none'}",
        )
    return found


def _cluster(arguments: Arguments, context: ContextEntry, known: Kubeconfig) -> ClusterEntry:
    name = arguments.text("cluster") or context.cluster
    found = known.cluster(name) if name else None
    if name and found is None:
        raise KubectlError(f'error: cluster "{name}" does not exist')
    return found or ClusterEntry(name, "")


def _user(arguments: Arguments, context: ContextEntry, known: Kubeconfig) -> UserEntry:
    name = arguments.text("user") or context.user
    found = known.user(name) if name else None
    if name and found is None:
        raise KubectlError(f'error: auth info "{name}" does not exist')
    return found or UserEntry(name)


def _in_cluster(environ: Mapping[str, str]) -> Access | None:
    host, port = environ.get("KUBERNETES_SERVICE_HOST"), environ.get("KUBERNETES_SERVICE_PORT")
    token = SERVICE_ACCOUNT / "token"
    if not host or not port or not token.exists():
        return None
    at = f"[{host}]" if ":" in host else host
    cluster = ClusterEntry("in-cluster", f"https://{at}:{port}", Pem(file=str(SERVICE_ACCOUNT / "ca.crt")))
    try:
        namespace = (SERVICE_ACCOUNT / "namespace").read_text().strip()
    except OSError:
        namespace = ""
    return Access("in-cluster", cluster, UserEntry("service account", token_file=str(token)), namespace)


def _instead(arguments: Arguments, found: Access) -> Access:
    """What the command line names wins, one by one, as kubectl's overrides do."""
    namespace = arguments.text("namespace") or found.namespace or "default"
    cluster = _other_cluster(arguments, found.cluster)
    user = entries.login_for(_other_user(arguments, found.user), cluster)
    return replace(found, cluster=cluster, user=user, namespace=namespace)


def _other_cluster(arguments: Arguments, cluster: ClusterEntry) -> ClusterEntry:
    if server := arguments.text("server"):
        cluster = replace(cluster, server=urls.guard(server.strip()))
    if file := arguments.text("certificate-authority"):
        cluster = replace(cluster, ca=_pem(file))
    if name := arguments.text("tls-server-name"):
        cluster = replace(cluster, tls_server_name=name)
    if "insecure-skip-tls-verify" in arguments.options:
        cluster = replace(cluster, insecure=bool(arguments.options["insecure-skip-tls-verify"]))
    if not cluster.server:
        raise KubectlError(f'error: cluster "{cluster.name}" has no server')
    return cluster


def _other_user(arguments: Arguments, user: UserEntry) -> UserEntry:
    """A token or a name given here is the login: no plugin is asked."""
    if token := arguments.text("token"):
        user = replace(user, token=Secret(token), token_file="", exec=None)
    if username := arguments.text("username"):
        user = replace(user, username=username, token=Secret(), token_file="", exec=None)
    if password := arguments.text("password"):
        user = replace(user, password=Secret(password))
    if certificate := arguments.text("client-certificate"):
        user = replace(user, certificate=_pem(certificate))
    if key := arguments.text("client-key"):
        user = replace(user, key=_pem(key))
    asked = _impersonation(arguments)
    return replace(user, impersonate=asked) if asked else user


def _impersonation(arguments: Arguments) -> tuple[tuple[str, str], ...]:
    """https://kubernetes.io/docs/reference/access-authn-authz/authentication/#user-impersonation"""
    names = {"as": "Impersonate-User", "as-uid": "Impersonate-Uid"}
    single = tuple((header, value) for name, header in names.items() if (value := arguments.text(name)))
    return (*single, *(("Impersonate-Group", group) for group in arguments.options.get("as-group", ())))


def _pem(file: str) -> Pem:
    return Pem(file=str(Path(file).absolute()))


def _nothing_named(names: tuple[str, ...]) -> KubectlError:
    return KubectlError(
        "The connection to the server localhost:8080 was refused - did you specify the right host or port?",
        f"no cluster is named: {os.pathsep.join(names)} does not exist or has no current-context; set KUBECONFIG",
    )


def _timeouts(arguments: Arguments) -> Timeouts:
    """--request-timeout is for a single request; 0 is for ever."""
    text = arguments.text("request-timeout") or "0"
    try:
        seconds = float(text) if go_parse.is_number(text) else go_parse.duration(text)
    except ValueError as error:
        raise KubectlError(
            "error: Invalid timeout value. Timeout must be a single integer in seconds, or an integer followed by a "
            "corresponding time unit (e.g. 1s | 2m | 3h)"
        ) from error
    return Timeouts(answer=seconds, dial=min(seconds, Timeouts.dial)) if seconds > 0 else Timeouts()
