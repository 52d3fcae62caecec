"""Every key that a config file may hold: its kind, and a line about it. The JSON Schema comes from here, too. Pure."""

from typing import Any

from kfw.choices import (
    HEADER_LINE,
    HEALTH_TYPES,
    LABEL_SELECTOR,
    METHOD_CHOICES,
    ON_PORT_IN_USE,
    READINESS,
    TYPES,
    UI_CHOICES,
)
from kfw.config import scalars as s
from kfw.config.blocks import Block, BlockKey, Named, Variables
from kfw.config.collector_block import COLLECTOR
from kfw.config.shapes import Many, Wrong
from kfw.config.tree import quote
from kfw.model import NAMED_KINDS, Target

_A_NAMESPACE = "the name of a namespace, in lower-case letters, digits and '-'"
_NAMESPACE = r"^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$"
_RESOURCE = rf"^(([^/]+/)?[a-z0-9]([-a-z0-9.]{{0,251}}[a-z0-9])?|(pods|pod|po)/{LABEL_SELECTOR})$"


def _target(raw: str) -> None:
    try:
        Target.parse(raw)
    except ValueError as error:
        what, _, fix = str(error).partition(", ")
        raise Wrong(f"is {quote(raw)}: {what}", fix) from error


_RETRY = Block(
    "retry",
    {
        "initialDelay": BlockKey(s.duration(0.01), "How long before the first new attempt."),
        "maxDelay": BlockKey(s.duration(0.01), "The delay grows up to this."),
        "multiplier": BlockKey(s.above(1.0), "How much longer each delay is than the one before."),
        "maxAttempts": BlockKey(s.whole("0 or a positive whole number", 0, 10**6), "0 never gives up."),
    },
)

_HEALTH = Block(
    "health",
    {
        "type": BlockKey(s.choice(*HEALTH_TYPES), "What proves that the far side answers."),
        "interval": BlockKey(s.duration(0.1), "Time between two probes."),
        "timeout": BlockKey(s.duration(0.01), "How long one probe may take."),
        "failures": BlockKey(
            s.whole("a whole number of at least 1", 1, 10**6), "Failures in a row until kfw connects again."
        ),
        "path": BlockKey(
            s.text("a path that begins with /", pattern=r"^/\S*$"), "What an http probe asks for."
        ),
        "statuses": BlockKey(
            Many(s.http_status(), "a list such as [2xx, 3xx, 404]", or_one=True, at_least=1),
            "Which HTTP answers are good.",
        ),
        "tls": BlockKey(s.flag(), "http over TLS; any certificate will do."),
        "headers": BlockKey(
            Many(
                s.text("a header such as 'Host: shop.example'", pattern=HEADER_LINE), "a list of such headers"
            ),
            "Extra headers of an http probe.",
        ),
        "service": BlockKey(
            s.text("the name of a service such as shop.Cart", nullable=True),
            "Whose health grpc asks for; null is the whole server.",
        ),
        "command": BlockKey(
            Many(s.text("a word"), "a list such as [pg_isready, -p, '{port}']"),
            "What exec runs: the program and its arguments; {port} leads to the app.",
        ),
    },
)

#: What defaults, a profile and a forward can all say; the nearest word counts.
COMMON: dict[str, BlockKey] = {
    "context": BlockKey(
        s.text("the name of a context", nullable=True),
        "The kubeconfig context; null is the current one at `up`, follow changes with it.",
    ),
    "namespace": BlockKey(
        s.text(_A_NAMESPACE, pattern=_NAMESPACE, nullable=True),
        "null is the context's own.",
    ),
    "kubeconfig": BlockKey(
        Many(s.file_path(), "a path or a list of paths", or_one=True, at_least=1, nullable=True),
        "One file, or a list that is merged as kubectl merges $KUBECONFIG; null is kubectl's own choice.",
    ),
    "method": BlockKey(
        s.choice(*METHOD_CHOICES),
        "How to connect; auto finds out.",
    ),
    "address": BlockKey(
        Many(s.address(), "an address or a list of addresses", or_one=True, at_least=1),
        "Where to listen. localhost or 127.0.0.1 alone is 127.0.0.1 and ::1; a list is taken as it is.",
    ),
    "readiness": BlockKey(s.choice(*READINESS), "running: use a running pod if none is ready."),
    "hold": BlockKey(s.duration(), "How long a connection waits while there is no ready endpoint."),
    "holdRefused": BlockKey(
        s.duration(), "How long it waits while every pod refuses the port; never longer than hold."
    ),
    "onPortInUse": BlockKey(
        s.choice(*ON_PORT_IN_USE), "next: take a free port nearby when another program has it."
    ),
    "ui": BlockKey(
        s.choice(*UI_CHOICES),
        "What serves the page of a rest API with a swaggerPath or apiPath, or of an rpc service; none: no page.",
    ),
    "retry": BlockKey(_RETRY, "Delays between attempts."),
    "health": BlockKey(_HEALTH, "Probes of what is forwarded."),
}

_SWITCHES = {
    "enabled": BlockKey(s.flag(), "false: it stays in the file and is not started."),
    "disabled": BlockKey(s.flag(inverted=True), "true is the same as enabled: false.", stores="enabled"),
}

_FORWARD = Block(
    "forward",
    {
        "target": BlockKey(
            s.text("for example service/api", pattern=_RESOURCE, check=_target),
            f"{', '.join(f'{kind}/NAME' for kind in NAMED_KINDS)} or pods/LABELS.",
        ),
        "targetPort": BlockKey(
            s.port_or_name(), "Number or name; optional where the target has only one port."
        ),
        "localPort": BlockKey(
            s.port(0), "0 is any free one. Optional with a targetPort: the same, or 8000 more if below 1024."
        ),
        "type": BlockKey(s.choice(*TYPES), "What kind of app answers."),
        "apiPath": BlockKey(s.text("a path such as api/v1", nullable=True), "Base path of a rest API."),
        "swaggerPath": BlockKey(
            s.text("a path such as docs/swagger", nullable=True), "Where a rest API describes itself."
        ),
        "uiPort": BlockKey(
            s.port(0), "Port of its page; 0 is the first free one from 9100 (rest) or 9200 (rpc)."
        ),
        "protoFiles": BlockKey(
            Many(s.file_path(), "a path or a list of paths", or_one=True),
            "Of an rpc service without reflection: .proto files or descriptor sets.",
        ),
        "env": BlockKey(
            Variables(s.template()),
            "Variables for the command of `kfw run`; {host}, {port}, {url} and {name} are those of the forward.",
        ),
        **COMMON,
        **_SWITCHES,
    },
)

_PROFILE = Block(
    "profile",
    {
        "portForwards": BlockKey(
            Named(_FORWARD), "Forwards that belong to this profile; its other keys are their defaults."
        ),
        "namespaces": BlockKey(
            Many(s.text(_A_NAMESPACE, pattern=_NAMESPACE), "a list such as [shop]", at_least=1),
            "Forward the services in these.",
        ),
        "labels": BlockKey(
            Many(
                s.text("a selector such as app=shop", pattern=f"^{LABEL_SELECTOR}$"),
                "a list such as [app=shop]",
            ),
            "Only services with all of these labels.",
        ),
        "excludeServices": BlockKey(
            Many(
                s.text("a name or a pattern such as legacy-*", pattern=r"^[-a-z0-9*?\[\]!]+$"),
                "a list such as [legacy-*]",
            ),
            "Leave these services out.",
        ),
        **COMMON,
        **_SWITCHES,
    },
)

_DAEMON = Block(
    "daemon",
    {
        "logLevel": BlockKey(s.choice("debug", "info", "warn", "error"), "How much the log says."),
        "logFile": BlockKey(s.file_path(nullable=True), "null is the state directory."),
        "pidFile": BlockKey(s.file_path(nullable=True), "null is the runtime directory."),
        "socketPath": BlockKey(s.file_path(nullable=True), "null is the runtime directory."),
        "metricsListen": BlockKey(s.host_and_port(), "Address of the metrics page; null is none."),
        "notices": BlockKey(s.flag(), "Show a desktop notification when forwards are lost or back."),
    },
)

_UI = Block(
    "uiOptions",
    {
        "refreshRate": BlockKey(s.duration(0.05), "How often the screen is refreshed."),
        "theme": BlockKey(
            s.text("the name of a theme such as dark"), "Colours: dark, light or high-contrast."
        ),
    },
)

DEFAULTS = Block("defaults", COMMON)

SETTINGS = Block(
    "settings",
    {
        "portForwards": BlockKey(Named(_FORWARD), "Forwards, by name."),
        "profiles": BlockKey(Named(_PROFILE), "Sets of forwards that are switched together, by name."),
        "defaults": BlockKey(DEFAULTS, "Defaults for what a forward and its profile do not set."),
        "daemon": BlockKey(_DAEMON, "The background process."),
        "monitoringInterval": BlockKey(
            s.duration(0.1), "Accepted but not used: kfw watches and does not poll."
        ),
        "uiOptions": BlockKey(_UI, "The terminal app, `kfw tui`."),
        "updates": BlockKey(s.flag(), "Whether `kfw up` looks for a newer kfw, at most once a day."),
        "collector": BlockKey(COLLECTOR, "The collector of usage figures, `kfw collect`."),
    },
)


def json_schema() -> dict[str, Any]:
    """JSON Schema (2020-12) of one config file, committed as schema.json. Its $id is a name; no server need have it."""
    defs: dict[str, Any] = {}
    top = SETTINGS.json(defs)
    about = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": "https://kfw.dev/schema/config.json",
        "title": "kfw config",
    }
    return about | top | {"type": "object", "$defs": defs}
