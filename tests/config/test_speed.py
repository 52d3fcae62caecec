import subprocess
import sys
import time

import pytest
import yaml

from tests.config.fakes import Project

ENTRY = """\
  svc-{n}:
    # what it is
    target: service/svc-{n}
    targetPort: 8080
    localPort: {port}
    namespace: shop
    type: rest
    apiPath: api/v1
    swaggerPath: docs/swagger
    retry:
      initialDelay: 1s
      maxDelay: 30s
    health: {{type: tcp, interval: 15s}}
"""


@pytest.mark.skipif(not hasattr(yaml, "CSafeLoader"), reason="without libyaml it takes 120 ms")
def test_a_hundred_forwards_of_1300_lines_are_loaded_in_less_than_40_ms(project: Project) -> None:
    text = "portForwards:\n" + "".join(ENTRY.format(n=n, port=20000 + n) for n in range(100))
    assert text.count("\n") == 1301
    project.write("kfw.yaml", text)
    assert min(_load(project) for _ in range(7)) < 0.040


def _load(project: Project) -> float:
    """Processor seconds, so that a busy machine does not fail it."""
    began = time.process_time()
    assert len(project.load().forwards) == 100
    return time.process_time() - began


def test_ten_thousand_unknown_keys_are_said_in_seconds(project: Project) -> None:
    began = time.process_time()
    problems = project.problems(
        "portForwards:\n" + "".join(f"  a{n}: {{tagret: x, localport{n}: 1}}\n" for n in range(5_000))
    )
    assert len(problems) > 10_000
    assert time.process_time() - began < 5


def test_loading_imports_nothing_that_is_only_for_the_terminal() -> None:
    code = "import sys, kfw.config.layers; print(*sys.modules)"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert {"rich", "typer", "asyncio", "yaml", "difflib", "tomllib"}.isdisjoint(run.stdout.split())
