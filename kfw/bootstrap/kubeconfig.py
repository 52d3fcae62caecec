"""A kubeconfig of our own for the kind cluster. The user's is touched only when the user says so."""

from kfw.bootstrap.cluster import Cluster
from kfw.bootstrap.options import Options
from kfw.bootstrap.steps import Steps
from kfw.engine import kind
from kfw.engine.reachability import Here
from kfw.system.files import make_private_dir


def export(steps: Steps, options: Options, here: Here, *, internal: bool) -> Cluster:
    """`internal`: with the nodes' names, for use inside kind's network. Raises KfwError with kind's words."""
    name, file = options.cluster_name, options.kubeconfig
    if not steps.dry:
        make_private_dir(options.folder)
    line = kind.export_kubeconfig(name, str(file), internal=internal)
    _export(steps, line, str(file), here, again=file.exists())
    if options.use_context:
        _export(steps, kind.export_to_users(name, internal=internal), "your kubeconfig", here, again=True)
        steps.say(f"kubeconfig: the current context is {kind.context_of(name)} now")
    return Cluster(file, kind.context_of(name), name)


def _export(steps: Steps, argv: list[str], file: str, here: Here, *, again: bool) -> None:
    answer = steps.do(argv, timeout=60.0, again=again)
    if not answer.ok:
        raise kind.export_failed(answer.err, file, here)
