"""Forwards pinned to a context by name, so that a change of the current context never moves one to another cluster."""

from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

from kfw.errors import UsageError
from kfw.kubeconfig.entries import Kubeconfig
from kfw.kubeconfig.load import default_files, load
from kfw.model import Forward
from kfw.system.changes import Stamp, stamp


def pin(forwards: Iterable[Forward], kubeconfig: str | None) -> list[Forward]:
    """Each with its context, namespace and the absolute paths of its kubeconfig files; `kubeconfig` is $KUBECONFIG.

    What is disabled need not have a context that exists; without one it stays as it is.

    Raises UsageError: of all contexts that do not exist, with the names that do (context-not-found), and of all that
    cannot be read (bad-config), at once.
    """
    pinner = _Pinner(kubeconfig)
    pinned = [pinner.pin(forward) for forward in forwards]
    pinner.complain()
    return [forward for forward in pinned if forward]


def followed_files(forwards: Iterable[Forward], kubeconfig: str | None) -> dict[str, Stamp]:
    """The kubeconfig files of those that follow the current context, as they are now. Blocking. Raises UsageError."""
    files = {file for each in forwards if each.context_follows for file in _files(each, kubeconfig)}
    return {file: stamp(file) for file in files}


def _files(forward: Forward, default: str | None) -> tuple[str, ...]:
    return tuple(map(_expanded, forward.kubeconfig)) or default_files(default)


class _Pinner:
    def __init__(self, default: str | None) -> None:
        self._default = default
        self._read: dict[tuple[str, ...], Kubeconfig] = {}
        self._errors: dict[str, UsageError] = {}

    def pin(self, forward: Forward) -> Forward | None:
        files = _files(forward, self._default)
        try:
            known = self._known(files)
            context = forward.context or current_context(known)
            access = known.access(context)
        except UsageError as error:
            if not forward.enabled:
                return forward
            self._errors.setdefault(error.what, error)
            return None
        return replace(
            forward,
            kubeconfig=files,
            context=context,
            context_is_default=forward.context_is_default or not forward.context,
            namespace=forward.namespace or access.namespace,
            namespace_is_default=forward.namespace_is_default or not forward.namespace,
        )

    def _known(self, files: tuple[str, ...]) -> Kubeconfig:
        if files not in self._read:
            self._read[files] = load(files)
        return self._read[files]

    def complain(self) -> None:
        errors = list(self._errors.values())
        if errors:
            fixes = dict.fromkeys(error.fix for error in errors)
            reason = next(
                (error.reason for error in errors if error.reason == "bad-config"), errors[0].reason
            )
            raise UsageError("; ".join(error.what for error in errors), "; ".join(fixes), reason=reason)


def current_context(known: Kubeconfig) -> str:
    """Its name. Raises UsageError with what to do where there is none."""
    if current := known.current():
        return current
    where = " or ".join(known.files)
    if not known.contexts:
        raise UsageError(
            f"no cluster is configured: {where} does not exist or has no context",
            "set KUBECONFIG to a kubeconfig, or make a cluster: kind create cluster, or kfw sandbox start",
        )
    raise UsageError(
        f"no context is named, and {where} has no current-context",
        f"name one with --context: {', '.join(sorted(known.contexts))}",
    )


def _expanded(file: str) -> str:
    try:
        return str(Path(file).expanduser().absolute())
    except RuntimeError as error:
        raise UsageError(
            f"cannot read {file}: that home directory does not exist", "write the whole path"
        ) from error
