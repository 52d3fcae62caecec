"""When kfw itself runs in a container: which one that is, and that it is on kind's network."""

import shlex

from kfw.bootstrap.steps import Steps
from kfw.engine import docker, kind
from kfw.engine.docker import Container
from kfw.engine.reachability import Here
from kfw.errors import KfwError
from kfw.system.container import own_names

#: What docker calls the network of a container that has none of its own.
HOST_NETWORK = "host"


def own(steps: Steps, here: Here, tool: str = "docker") -> Container | None:
    """None: docker knows no container by any of the names that this one may have."""
    for name in own_names(here.env):
        answer = steps.ask(docker.inspect([name], tool))
        if answer.ok and (found := docker.containers(answer.out)):
            return found[0]
    return None


def attach(steps: Steps, here: Here, tool: str = "docker") -> bool:
    """Put this container on kind's network, where the nodes' names are known. Ports published already stay published.

    True: it can use the nodes' names; False: it has the host's network, and uses what is published there. Raises KfwError.
    """
    network = kind.network(here.env)
    container = own(steps, here, tool)
    if container is None:
        raise KfwError(
            "cannot find out which container this is",
            f"docker run -e KFW_CONTAINER=NAME --name NAME ..., or: docker network connect {network} NAME",
        )
    if HOST_NETWORK in container.addresses:
        return False
    if network not in container.addresses:
        line = docker.connect(network, container.id, tool)
        answer = steps.do(line, timeout=30.0)
        if not answer.ok and "already exists" not in answer.err:
            raise KfwError(
                f"cannot attach this container to the network {network}: {answer.words}", shlex.join(line)
            )
        steps.say(f"container: {container.name} is on the network {network} now")
    return True


def network_exists(steps: Steps, here: Here, tool: str = "docker") -> bool:
    return steps.ask([tool, "network", "inspect", kind.network(here.env)]).ok
