"""What docker's Python SDK reaches: one JSON object on stdout. A process of its own, as the SDK is too heavy for others.

It follows DOCKER_HOST, DOCKER_CONTEXT and the current context, as docker's command line does.
"""

import json
import sys


def main() -> int:
    import docker
    from docker.errors import DockerException

    try:
        client = docker.from_env(timeout=5)
        told = {"url": client.api.base_url, "name": client.info().get("Name", "")}
    except DockerException as error:
        told = {"error": str(error)}
    print(json.dumps(told))
    return 0


if __name__ == "__main__":
    sys.exit(main())
