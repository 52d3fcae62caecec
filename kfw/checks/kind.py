"""What the quick start needs to make a cluster with kind, or to use one."""

from collections.abc import Mapping

from kfw.checks import Ask, Check, remembering
from kfw.checks.engine import answers
from kfw.checks.tools import tool


def checks(ask: Ask, env: Mapping[str, str], *, provider: str = "docker") -> list[Check]:
    """In order; `provider` is the tool that runs kind's nodes."""
    ask = remembering(ask)
    return [
        tool(provider, "to run the cluster's nodes"),
        lambda: answers(ask, env, provider),
        tool("kind", "to make the cluster"),
        tool("kubectl", "to look at the cluster"),
    ]
