"""kfw port-forward: kubectl's own command line, so Typer knows it only for its help; see `main`, and kfw/cli.py.

It is started by scripts: no typer, no rich, and plain types instead of annotations for Typer.
"""

import os
import signal
import sys
from collections.abc import Sequence


def main(argv: Sequence[str]) -> int:
    """The whole of `kfw port-forward ARGV`, its errors included: they are kubectl's words, and its exit code."""
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(
            signal.SIGINT, signal.SIG_DFL
        )  # until it forwards; then it ends with 0, as kubectl does
    from kfw.kubectl_compat import flags
    from kfw.kubectl_compat.messages import KubectlError
    from kfw.kubectl_compat.writer import Console, NonBlockingWriter

    console = Console(NonBlockingWriter(1 if sys.stdout else -1), NonBlockingWriter(2 if sys.stderr else -1))
    try:
        arguments = flags.parse(argv)
        if arguments is None:
            return _help()
        from kfw.kubectl_compat.session import run

        return run(arguments, os.environ, console)
    except KubectlError as told:
        console.err.line(told.what)
        if told.fix:
            console.err.line(f"     {told.fix}")
        return told.exit_code


def port_forward(
    target: str,
    ports: list[str],
    address: str = "localhost",
    namespace: str = "",
    context: str = "",
    kubeconfig: str = "",
    pod_running_timeout: str = "1m0s",
) -> int:
    """Like kubectl port-forward, but it survives pod restarts.

    It takes the same arguments and prints the same lines, and goes on when a pod, the network or the API server goes.

    TARGET is TYPE/NAME (pod, service, deployment, statefulset, daemonset, replicaset, job, ...) or a pod's name; PORTS are
    [LOCAL:]REMOTE, numbers or names, :REMOTE takes a free port. It stays in the foreground until Ctrl+C, without the
    daemon. The global options of kubectl are understood as well: `kubectl options` lists them.

    \b
    kfw port-forward svc/web 8080:80
    kfw port-forward deploy/web 8080:http :9000
    kfw port-forward pod/db-0 5432 --address 0.0.0.0
    """
    raise AssertionError("its arguments are read by `main`")


def _help() -> int:
    from kfw.commands._group import run_command

    return run_command(["port-forward", "--help"])
