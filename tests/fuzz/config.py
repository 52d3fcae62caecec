"""kfw.yaml, TOML and the configs of other programs, with values, styles and bytes changed."""

import time
from pathlib import Path
from typing import Any

from kfw.config.layers import load
from kfw.errors import KfwError
from tests.fuzz import memory, values
from tests.fuzz.area import Area, Case, Finding
from tests.fuzz.yaml_writer import YamlWriter, bomb, merge_bomb

#: Processor seconds and bytes for one config.
_QUICK, _PEAK = 2.0, 200 << 20

_TOML = """
monitoringInterval = "5s"
[daemon]
logLevel = "info"
[defaults]
context = "dev"
hold = "30s"
[defaults.retry]
multiplier = 2.0
[portForwards.api]
target = "service/api"
targetPort = "http"
localPort = 9080
addresses = ["127.0.0.1"]
"""


class Config(Area):
    name = "config"

    async def case(self, case: Case) -> None:
        """Only ConfigError comes out, whose problems each name a place."""
        file = case.folder / case.random.choice(("kfw.yaml", "kfw.yaml", "kfw.yaml", "kfw.toml"))
        file.write_bytes(_content(case, file))
        before, began = memory.reset_peak(), time.process_time()
        try:
            load(case.folder, config_files=(file,), user_file=case.folder / "none.yaml")
        except KfwError as error:
            if len(error.what) > 200_000:
                raise Finding(f"an error about a config has {len(error.what)} characters") from error
        if (took := time.process_time() - began) > _QUICK:
            raise Finding(f"a config takes {took:.1f} s of the processor")
        if (most := memory.peak() - before) > _PEAK:
            raise Finding(f"reading a config takes {most >> 20} MB")


def _content(case: Case, file: Path) -> bytes:
    random = case.random
    if file.suffix == ".toml":
        return values.bytes_changed(random, _TOML.encode(), random.randrange(6))
    match random.randrange(12):
        case 0:
            return values.deep_json(random, random.choice((10, 900, 50_000)))
        case 1:
            return f"portForwards:\n  a: &x {{}}\n{bomb(random, random.choice((3, 9, 40)), 10)}\n".encode()
        case 2:
            return f"{merge_bomb(random.choice((2, 5, 8)), 9)}\n".encode()
        case 3:
            return random.randbytes(random.choice((0, 3, 3000)))
    data = values.mutate(random, _config(), random.randrange(6))
    text = YamlWriter(random, str(case.mark), random.choice((0.0, 0.05, 0.3))).document(data)
    encoded = text.encode(random.choice(("utf-8", "utf-8", "utf-8", "utf-16", "latin-1")), errors="replace")
    return values.bytes_changed(random, encoded, random.choice((0, 0, 1, 4)))


def _config() -> dict[str, Any]:
    return {
        "daemon": {"logLevel": "info", "logFile": "x.log", "metricsListen": "127.0.0.1:1"},
        "defaults": {
            "context": "dev",
            "namespace": "default",
            "method": "auto",
            "address": "127.0.0.1",
            "hold": "30s",
            "retry": {"initialDelay": "1s", "maxDelay": "30s", "multiplier": 2.0, "maxAttempts": 0},
            "health": {"type": "tcp", "interval": "15s", "failures": 3},
        },
        "portForwards": {
            "api": {
                "target": "service/api",
                "targetPort": "http",
                "localPort": 9080,
                "type": "rest",
                "apiPath": "api/v1",
            },
            "db": {
                "target": "pod/db-0",
                "targetPort": 5432,
                "localPort": 5432,
                "onPortInUse": "next",
                "enabled": False,
            },
        },
        "profiles": {
            "dev": {
                "enabled": True,
                "context": "dev",
                "namespaces": ["shop"],
                "labels": ["a=b"],
                "method": "tunnel",
            }
        },
        "monitoringInterval": "5s",
        "uiOptions": {"refreshRate": "1s", "theme": "dark"},
    }
