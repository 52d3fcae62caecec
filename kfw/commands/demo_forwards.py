"""What `kfw demo` brings to localhost: five services of the sandbox, and one of them again by each way there is."""

import shutil
from dataclasses import dataclass

from kfw.choices import METHODS
from kfw.model import Forward, Target


@dataclass(frozen=True)
class Shown:
    """`says` is what its pods say; `method` how it comes here when nothing else is asked for."""

    namespace: str
    service: str
    port: str
    local_port: int
    says: str
    method: str


FIVE = (
    Shown("wso2-amp", "amp-console", "http", 3000, "the console", "auto"),
    Shown("wso2-amp", "amp-api", "http", 8080, "the API", "tunnel"),
    Shown(
        "openchoreo-observability-plane", "amp-traces-observer", "http", 9098, "the traces observer", "auto"
    ),
    Shown(
        "openchoreo-observability-plane", "data-prepper", "otlp-traces", 21893, "the data prepper", "tunnel"
    ),
    Shown("openchoreo-data-plane", "gateway-external", "https", 8443, "the gateway", "tunnel"),
)
#: The methods that lead to the sandbox, and are compared.
WAYS = ("nodeport", "tunnel", "socat", "kubectl")


def five(kubeconfig: str, method: str | None) -> list[Forward]:
    """Named apart from those of the quick start, which may be up at the same time."""
    return [
        _forward(f"demo-{one.service}", one, kubeconfig, method or one.method, one.local_port) for one in FIVE
    ]


def by_each_way(kubeconfig: str, method: str | None) -> dict[str, Forward]:
    """By method: the first of the five on any port, by every way whose tool is here."""
    ways = [method] if method and method != "auto" else WAYS
    return {
        way: _forward(f"demo-by-{way}", FIVE[0], kubeconfig, way, 0)
        for way in ways
        if not METHODS[way].tool or shutil.which(METHODS[way].tool)
    }


def _forward(name: str, one: Shown, kubeconfig: str, method: str, local_port: int) -> Forward:
    return Forward(
        name=name,
        target=Target.parse(f"service/{one.service}"),
        target_port=one.port,
        local_port=local_port,
        namespace=one.namespace,
        context="kfw-sandbox",
        kubeconfig=(kubeconfig,),
        method=method,
        on_port_in_use="next",
        type="web",
        source="kfw demo",
    )
