"""`kfw config import`: the file or the cluster is read, and what was found is shown or saved."""

import os
import sys
from pathlib import Path

from kfw.choices import FOREIGN_KINDS
from kfw.commands import _output as output
from kfw.config.edit import with_forward
from kfw.config.imports import k9s, table
from kfw.config.imports.write import Written, write
from kfw.config.read import LARGEST, text_of
from kfw.config.save import project_draft
from kfw.config.tree import Place, Unparsable
from kfw.errors import ConfigError, UsageError
from kfw.names import few

_KINDS = ", ".join(FOREIGN_KINDS)


def import_file(file: str, kind: str) -> Written:
    """`file`: "-" for the standard input; `kind`: "" for what it looks like. Raises UsageError, and ConfigError."""
    if kind and kind not in FOREIGN_KINDS:
        raise UsageError(f"kfw cannot import '{kind}'", f"use one of {_KINDS}")
    if not file:
        raise UsageError("the file to import is missing", "name it, or - for standard input")
    at = Place(file if file != "-" else "stdin", layer="config")
    try:
        text = _from_stdin() if file == "-" else text_of(Path(file), at)
        kind = kind or (table.TILT if table.is_tiltfile(file) else table.kind_of(table.documents(text, at)))
        if not kind:
            raise UsageError(
                f"cannot tell what kind of file {at.file} is", f"name the kind with --from: {_KINDS}"
            )
        found = table.read(text, kind, at)
    except Unparsable as error:
        raise ConfigError([str(error.problem)]) from error
    words = table.FILES[kind].words if kind in table.FILES else "a Tiltfile"
    return write(found, at.file, words)


def import_from_cluster(
    file: str, namespace: str | None, context: str | None, kubeconfig: str | None
) -> Written:
    """Of k9s, from the annotations of the pods of one namespace. Raises KfwError."""
    from kfw.kubeconfig.load import default_files, load
    from kfw.kubeconfig.pin import current_context
    from kfw.system.loop import run
    from kfw.target.annotations import annotated_pods

    if file:
        raise UsageError(
            "k9s does not keep its forwards in a file",
            "leave FILE out: kfw reads its annotations from the cluster",
        )
    known = load(default_files(kubeconfig or os.environ.get("KUBECONFIG")))
    access = known.access(context or current_context(known))
    where = namespace or access.namespace
    pods = run(annotated_pods(access, where, k9s.ANNOTATIONS))
    targets = [
        k9s.AnnotatedTarget(pod.target, where, name, value) for pod in pods for name, value in pod.annotations
    ]
    return write(k9s.read(targets, context or ""), f"namespace {where}", "annotations of k9s")


def show_or_save(written: Written, *, save: bool) -> int:
    """1: nothing was found. Raises KfwError, and changes nothing."""
    if save:
        _save(written)
    else:
        output.show(written.text.rstrip("\n"))
    for said in written.left_out:
        output.say(f"kfw: left out: {said}")
    if not written.count and "profiles:" not in written.text:
        output.say("kfw: found nothing in it that kfw can forward")
        return 1
    return 0


def _save(written: Written) -> None:
    draft = project_draft(Path.cwd())
    if draft.data is None:
        draft.edited(lambda text, at: written.text, "").write()
        output.say(f"wrote {draft.at.file}; next: `kfw config check`, then `kfw up`")
        return
    if len(written.forwards) != written.count or not written.count:
        raise UsageError(
            f"{draft.at.file} exists already, and profiles cannot be added to it",
            "leave --write out, and copy what you need from the output",
        )
    for name, entry in written.forwards.items():
        draft = draft.edited(
            lambda text, at, name=name, entry=entry: with_forward(text, at, name, entry),  # type: ignore[misc]
            "leave --write out, and copy what you need from the output",
        )
    from kfw.config.layers import load

    load(Path.cwd(), draft=draft)
    draft.write()
    output.say(f"saved in {draft.at.file}: {few(written.forwards)}")


def _from_stdin() -> str:
    """Of the size that a file may have. Raises Unparsable."""
    at = Place("stdin", layer="config")
    data = sys.stdin.buffer.read(LARGEST + 1)
    if len(data) > LARGEST:
        raise Unparsable(at, f"it is larger than {LARGEST} bytes", "check that it is the right file")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise Unparsable(at, "it is not UTF-8", "send it as UTF-8") from error
