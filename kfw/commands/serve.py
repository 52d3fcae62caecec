"""kfw serve: the daemon in this process. The only command that does not go through the client.

What is imported here the daemon carries for ever: no typer, no rich, and plain types instead of annotations for Typer.
"""

from collections.abc import Sequence
from typing import Any

LEVELS = ("debug", "info", "warn", "error")


def serve(
    on_demand: bool = False,
    to_log_file: bool = False,
    log_level: str = "info",
    metrics_listen: str = "",
    notices: bool = False,
    take_over: int = -1,
) -> int:
    """Run the daemon in the foreground, for containers.

    Also for systemd, for which `kfw service install` writes a unit. It logs to stderr, and reads no kfw.yaml: `kfw up`
    sends it forwards.

    --on-demand ends it with the last forward. --to-log-file logs to the file that `kfw logs` shows.
    --log-level is debug, info, warn or error.
    --metrics-listen is an address and a port such as 127.0.0.1:9464 for a page of metrics.
    --notices shows a desktop notification when forwards are lost. --take-over is only for `kfw restart --daemon`.

    \b
    kfw serve
    """
    if log_level not in LEVELS:
        from kfw.errors import UsageError

        raise UsageError(f"unknown log level '{log_level}'", f"use one of {', '.join(LEVELS)}")
    from kfw.daemon.run import DaemonOptions
    from kfw.daemon.run import serve as run

    return run(
        DaemonOptions(
            on_demand=on_demand,
            log_level=log_level,
            to_stderr=not to_log_file,
            metrics_listen=_checked(metrics_listen),
            notices=notices,
        ),
        take_over=None if take_over < 0 else take_over,
    )


def _checked(listen: str) -> str | None:
    """Raises UsageError."""
    from ipaddress import ip_address

    host, _, port = listen.rpartition(":")
    try:
        right = not listen or (
            (host == "localhost" or ip_address(host.strip("[]"))) and 0 < int(port) < 65536
        )
    except ValueError:
        right = False
    if right:
        return listen or None
    from kfw.errors import UsageError

    raise UsageError(f"'{listen}' is not an address and a port", "write for example 127.0.0.1:9464")


def plain(arguments: Sequence[str]) -> dict[str, Any] | None:
    """The arguments of `serve` without Typer's help; None if only Typer understands them."""
    found: dict[str, Any] = {}
    for argument in arguments:
        name, equals, value = argument.partition("=")
        if name == "--log-level" and equals:
            found["log_level"] = value
        elif name == "--take-over" and value.isascii() and value.isdigit():
            found["take_over"] = int(value)
        elif name == "--metrics-listen" and equals:
            found["metrics_listen"] = value
        elif argument in ("--on-demand", "--to-log-file", "--notices"):
            found[argument[2:].replace("-", "_")] = True
        else:
            return None
    return found
