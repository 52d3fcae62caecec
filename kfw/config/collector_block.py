"""`collector:` of a config: its keys, and the questions and figures that they come to. Pure.

The block of kportforward loads as it is: of its four services the paths, methods and requests are known here. Others name
theirs under `metrics`.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from kfw.config import json_path
from kfw.config import scalars as s
from kfw.config.blocks import Block, BlockKey, Named
from kfw.config.durations import seconds
from kfw.config.json_path import Step
from kfw.config.merge import Branch, Value
from kfw.config.shapes import Many, One, Reading, Wrong
from kfw.config.tree import ConfigProblem, Place, Scalar, quote

#: What stands for the tenant and the workspace that are asked about.
PLACES = ("tenant", "workspace")
METRIC_PATTERN = r"^[a-z][a-z0-9_]{0,62}$"


@dataclass(frozen=True)
class ServerAccess:
    """How a server is spoken to. `ca_file` "": this machine's CAs; `server_name`: the name that its certificate has, "": its
    host's. The token is in a variable of the environment or in a file; neither: none is sent. `token_header` "": as
    `Authorization: Bearer TOKEN`."""

    tls: bool = False
    ca_file: str = ""
    server_name: str = ""
    token_env: str = ""
    token_file: str = ""
    token_header: str = ""


@dataclass(frozen=True)
class FigureQuestion:
    """One call. Either `path` is the target of a GET, or `method` a gRPC method: its name, or package.Service/Method.

    `address` is http://host:port or host:port; "": that of the `forward`. `request`: gRPC's, as JSON. `{tenant}` and
    `{workspace}` stand for what is asked about.
    """

    forward: str = ""
    address: str = ""
    path: str = ""
    method: str = ""
    request: str = "{}"
    access: ServerAccess = ServerAccess()


@dataclass(frozen=True)
class WorkspaceList:
    """`items`: where the list is in the answer; `id_at` and `name_at`: where in each of its members."""

    question: FigureQuestion
    items: tuple[Step, ...] = ()
    id_at: tuple[Step, ...] = ("id",)
    name_at: tuple[Step, ...] = ("name",)


@dataclass(frozen=True)
class Figure:
    """`name` as it is in the events, e.g. `component_count`; `value`: where the number is in the answer."""

    name: str
    question: FigureQuestion
    value: tuple[Step, ...]


@dataclass(frozen=True)
class CollectorSettings:
    """`workspaces` None: a tenant is asked about as a whole."""

    enabled: bool = True
    tenants: tuple[str, ...] = ()
    workspaces: WorkspaceList | None = None
    figures: tuple[Figure, ...] = ()
    bucket: float = 86400.0  # seconds
    concurrency: int = 8  # questions at a time
    timeout: float = 30.0  # seconds for one
    format: str = "json"
    destination: str = "stdout"
    state_file: str = ""  # "": in kfw's state folder


# -- keys


def _json(raw: str) -> None:
    """Mostly an object; a text or a number where a method takes a message of google/protobuf/wrappers.proto."""
    import json  # for who has such a key

    try:
        json.loads(raw)
    except (ValueError, RecursionError):
        raise Wrong(f"is {quote(raw)}", 'write JSON such as \'{"tenant_id": "{tenant}"}\'') from None


def _json_path(raw: str) -> None:
    try:
        json_path.parse(raw)
    except ValueError as error:
        raise Wrong(f"is {quote(raw)}, which {error}", "write for example $.pagination.total") from error


def _destination() -> One:
    file = s.file_path()

    def convert(node: Scalar, reading: Reading) -> Value:
        return node.raw if node.raw == "stdout" else file.convert(node, reading)

    return One("stdout or the path of a file", convert, file.schema)


_FORWARD = BlockKey(s.text("the name of a forward"), "The forward that leads to it, instead of an address.")
_PATH = s.text("a path such as /api/orders?tenant={tenant}", pattern=r"^/\S*$")
_URL = BlockKey(
    s.text("for example http://localhost:50800", pattern="^https?://."),
    "Its address, if no forward is named.",
)
_HOST = BlockKey(s.text("for example localhost:50100", pattern=r"^\S+:[0-9]+$"), "Host and port of its gRPC.")
_METHOD = BlockKey(
    s.text("a method such as shop.Orders/Count", pattern=r"^([A-Za-z_][\w.]*/)?[A-Za-z_]\w*$"),
    "A gRPC method, found by the server's reflection: its name, or package.Service/Method.",
)
_REQUEST = BlockKey(
    s.text("JSON in quotes", check=_json),
    "The gRPC request, as JSON with the names of its fields.",
)
_VALUE = BlockKey(
    s.text("a path such as $.total", pattern=r"^\$", check=_json_path), "Where the number is in the answer."
)

#: Of every block that has an address.
_ACCESS = {
    "tls": BlockKey(s.flag(), "Whether to use TLS; a url says so itself."),
    "caFile": BlockKey(s.file_path(), "The CAs to trust for its certificate, instead of this machine's."),
    "serverName": BlockKey(
        s.text("a name such as shop.example", pattern=r"^[A-Za-z0-9][A-Za-z0-9.-]*$"),
        "The name in its certificate, if that differs from its host.",
    ),
    "tokenEnv": BlockKey(
        s.text("the name of an environment variable", pattern=r"^[A-Za-z_][A-Za-z0-9_]*$"),
        "The variable that holds the login token.",
    ),
    "tokenFile": BlockKey(s.file_path(), "The file that holds the login token."),
    "tokenHeader": BlockKey(
        s.text("a header's name such as x-api-key", pattern=r"^[A-Za-z0-9_.-]+$"),
        "The header that takes the bare token; by default Authorization: Bearer TOKEN.",
    ),
}
_GRPC = Block(
    "collectorHost",
    {"host": _HOST, "forward": _FORWARD, "method": _METHOD, "request": _REQUEST, **_ACCESS},
)
_METRIC = Block(
    "collectorMetric",
    {
        "forward": _FORWARD,
        "url": _URL,
        "host": _HOST,
        "path": BlockKey(_PATH, "The path of an HTTP request."),
        "method": _METHOD,
        "request": _REQUEST,
        "value": _VALUE,
        **_ACCESS,
    },
)
_SERVICES = Block(
    "collectorServices",
    {
        "environment": BlockKey(
            Block(
                "collectorEnvironment",
                {
                    "url": _URL,
                    "forward": _FORWARD,
                    "path": BlockKey(_PATH, "The path that lists them."),
                    "items": BlockKey(_VALUE.shape, "Where the list is in its answer."),
                    "id": BlockKey(_VALUE.shape, "Where the id is in each workspace."),
                    "name": BlockKey(_VALUE.shape, "Where the name is in each workspace."),
                    **_ACCESS,
                },
            ),
            "Lists the workspaces, by HTTP.",
        ),
        "architectureInventory": BlockKey(_GRPC, "Counts components and relationships."),
        "recommendations": BlockKey(_GRPC, "Counts recommendations."),
        "requirements": BlockKey(_GRPC, "Counts requirements."),
    },
)

COLLECTOR = Block(
    "collector",
    {
        "enabled": BlockKey(s.flag(), "Whether it collects at all."),
        "tenants": BlockKey(Many(s.text("the id of a tenant"), "a list of ids"), "Whose figures."),
        "services": BlockKey(_SERVICES, "Where the figures come from."),
        "metrics": BlockKey(
            Named(_METRIC, METRIC_PATTERN, "lower-case letters, digits and '_', such as order_count"),
            "Your own figures, by their names in the events.",
        ),
        "bucketDuration": BlockKey(s.duration(1.0), "The length of time that an event covers."),
        "concurrency": BlockKey(s.whole("a whole number from 1 to 64", 1, 64), "Requests at a time."),
        "timeout": BlockKey(s.duration(0.1), "How long one request may take."),
        "output": BlockKey(
            Block(
                "collectorOutput",
                {
                    "format": BlockKey(
                        s.choice("json", "text"), "One JSON event per line, or text for people."
                    ),
                    "destination": BlockKey(_destination(), "stdout, or a file."),
                    "logFile": BlockKey(
                        s.file_path(nullable=True), "Where a collector in the background writes its log."
                    ),
                },
            ),
            "Where the events go.",
        ),
        "idempotency": BlockKey(
            Block(
                "collectorIdempotency",
                {"stateFile": BlockKey(s.file_path(nullable=True), "What was collected already.")},
            ),
            "So that nothing is collected twice.",
        ),
    },
)


# -- what they come to

_PAGE = '"pagination": {"page_size": 1}'
#: Of kportforward's services: the method, what it is asked, and which figures are where in the answer.
_KNOWN: Mapping[str, tuple[str, str, Mapping[str, str]]] = {
    "architectureInventory": (
        "GetMetadata",
        '{"tenant_id": "{tenant}", "environment_id": "{workspace}"}',
        {"component_count": "$.component_count", "relationship_count": "$.relationship_count"},
    ),
    "recommendations": (
        "ListRecommendations",
        f'{{"tenant_id": "{{tenant}}", "environment_id": "{{workspace}}", {_PAGE}}}',
        {"recommendation_count": "$.pagination.total_count"},
    ),
    "requirements": (
        "ListRequirementsAvailable",
        f'{{"tenant_id": "{{tenant}}", "workspace_id": "{{workspace}}", {_PAGE}}}',
        {"requirements_count": "$.pagination.total_count"},
    ),
}


def settings_of(block: Branch) -> CollectorSettings:
    """Of a block without problems."""
    output, defaults = block.branch("output"), CollectorSettings()
    return CollectorSettings(
        enabled=block.value("enabled", bool) is not False,
        tenants=tuple(dict.fromkeys(block.value("tenants", list) or ())),
        workspaces=_workspaces(block.branch("services").branch("environment")),
        figures=(*_known_figures(block.branch("services")), *_own_figures(block.branch("metrics"))),
        bucket=seconds(block.value("bucketDuration", str) or "24h"),
        concurrency=block.value("concurrency", int) or defaults.concurrency,
        timeout=seconds(block.value("timeout", str) or "30s"),
        format=output.value("format", str) or defaults.format,
        destination=output.value("destination", str) or defaults.destination,
        state_file=block.branch("idempotency").value("stateFile", str) or "",
    )


def _workspaces(block: Branch) -> WorkspaceList | None:
    if not block.children:
        return None
    question = _question(block, path=block.value("path", str) or "/api/environment/{tenant}")
    return WorkspaceList(question, _steps(block, "items"), _steps(block, "id"), _steps(block, "name"))


def _known_figures(services: Branch) -> Iterator[Figure]:
    for service, (method, request, values) in _KNOWN.items():
        block = services.branch(service)
        if block.children:
            question = _question(
                block,
                method=block.value("method", str) or method,
                request=block.value("request", str) or request,
            )
            yield from (Figure(name, question, json_path.parse(path)) for name, path in values.items())


def _own_figures(metrics: Branch) -> Iterator[Figure]:
    for name, block in metrics.branches():
        question = _question(
            block,
            path=block.value("path", str) or "",
            method=block.value("method", str) or "",
            request=block.value("request", str) or FigureQuestion.request,
        )
        yield Figure(name, question, _steps(block, "value"))


def _question(block: Branch, **more: str) -> FigureQuestion:
    address = block.value("url", str) or block.value("host", str) or ""
    return FigureQuestion(
        forward=block.value("forward", str) or "",
        address=address.rstrip("/"),
        access=ServerAccess(
            tls=block.value("tls", bool) is True or address.startswith("https://"),
            ca_file=block.value("caFile", str) or "",
            server_name=block.value("serverName", str) or "",
            token_env=block.value("tokenEnv", str) or "",
            token_file=block.value("tokenFile", str) or "",
            token_header=(block.value("tokenHeader", str) or "").lower(),
        ),
        **more,
    )


_USUAL_STEPS: Mapping[str, tuple[Step, ...]] = {"id": WorkspaceList.id_at, "name": WorkspaceList.name_at}


def _steps(block: Branch, key: str) -> tuple[Step, ...]:
    text = block.value(key, str)
    return json_path.parse(text) if text else _USUAL_STEPS.get(key, ())


# -- what is wrong together


def problems_of(block: Branch) -> Iterator[ConfigProblem]:
    services = block.branch("services")
    for name, service in services.branches():
        if service.children:
            yield from _of_address(service, f"collector.services.{name}")
    for name, metric in block.branch("metrics").branches():
        path = f"collector.metrics.{name}"
        yield from _of_address(metric, path)
        if ("path" in metric.children) is ("method" in metric.children):
            fix = "write path: and what HTTP asks for, or method: and a gRPC method"
            yield ConfigProblem(metric.at, f"{path} needs either a path or a method", fix)
        elif "url" in metric.children and "method" in metric.children:
            yield ConfigProblem(
                _at(metric, "url"), f"{path} has a method and no host", "write host: instead of url:"
            )
        if "value" not in metric.children:
            yield ConfigProblem(metric.at, f"{path} has no value", "write for example value: $.total")


def _of_address(block: Branch, path: str) -> Iterator[ConfigProblem]:
    named = [key for key in ("forward", "url", "host") if key in block.children]
    if not named:
        yield ConfigProblem(block.at, f"{path} has no address", "write forward: and the name of a forward")
    elif len(named) > 1:
        what = f"{path} has both {named[0]} and {named[1]}"
        yield ConfigProblem(_at(block, named[1]), what, "keep one of them")
    yield from _of_access(block, path)


def _of_access(block: Branch, path: str) -> Iterator[ConfigProblem]:
    said = block.children.keys()
    access = _question(block).access
    token = next((key for key in ("tokenEnv", "tokenFile") if key in said), "")
    if {"url", "tls"} <= said:
        yield ConfigProblem(
            _at(block, "tls"), f"{path} has both url and tls", "write https:// in url instead"
        )
    if {"tokenEnv", "tokenFile"} <= said:
        yield ConfigProblem(
            _at(block, "tokenFile"), f"{path} has both tokenEnv and tokenFile", "keep one of them"
        )
    if "tokenHeader" in said and not token:
        fix = "write tokenEnv: or tokenFile:"
        yield ConfigProblem(_at(block, "tokenHeader"), f"{path} has a tokenHeader and no token", fix)
    for key in ("caFile", "serverName"):
        if key in said and not access.tls:
            yield ConfigProblem(_at(block, key), f"{path} has a {key} and no TLS", "write tls: true")
    if token and not access.tls and (host := _other_machine(block)):
        what = f"{path} would send its token to {host} without TLS"
        yield ConfigProblem(_at(block, token), what, "write tls: true, or https:// in url")


def _other_machine(block: Branch) -> str:
    """The host that is asked, if it is not this machine; what a forward leads to is behind a port of this machine."""
    url, host = block.value("url", str) or "", block.value("host", str) or ""
    try:
        name = (urlsplit(url).hostname or "") if url else host.rpartition(":")[0].strip("[]")
    except ValueError:
        name = url
    return "" if not name or s.LOOPBACK.fullmatch(name) else name


def _at(block: Branch, key: str) -> Place:
    leaf = block.leaf(key)
    return leaf.at if leaf else block.at


def filled(template: Any, values: Mapping[str, str]) -> Any:
    """A text, or JSON with texts in it, with {tenant} and {workspace} replaced by what they stand for."""
    if isinstance(template, str):
        for name in PLACES:
            template = template.replace(f"{{{name}}}", values.get(name, ""))
        return template
    if isinstance(template, list):
        return [filled(each, values) for each in template]
    if isinstance(template, dict):
        return {key: filled(each, values) for key, each in template.items()}
    return template
