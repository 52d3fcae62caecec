"""Where kfw keeps its files. Everything can be moved with KFW_HOME, so that tests and second daemons are apart."""

import os
import sys
from pathlib import Path

#: macOS allows 104 bytes for a unix socket's path, Linux 108.
MAX_SOCKET_PATH = 103


def config_file() -> Path:
    """The user's config: `~/.config/kfw/config.yaml` on every system, as PRODUCT says; XDG_CONFIG_HOME moves it."""
    return _under("config", "XDG_CONFIG_HOME", ".config") / "config.yaml"


def state_dir() -> Path:
    """What must survive a restart: the ledger, what was up, the logs."""
    return _under("state", "XDG_STATE_HOME", ".local/state")


def cache_dir() -> Path:
    return _under("cache", "XDG_CACHE_HOME", ".cache")


def runtime_dir() -> Path:
    """The socket and the pidfile: XDG_RUNTIME_DIR where it exists, else a directory of ours in the state directory."""
    if home := os.environ.get("KFW_HOME"):
        return Path(home) / "run"
    runtime = os.environ.get("XDG_RUNTIME_DIR")
    if runtime and sys.platform == "linux" and Path(runtime).is_dir():
        return Path(runtime) / "kfw"
    return state_dir() / "run"


def socket_path() -> Path:
    return runtime_dir() / "kfw.sock"


def pid_file() -> Path:
    return runtime_dir() / "kfw.pid"


def log_file() -> Path:
    return state_dir() / "kfw.log"


def store_file() -> Path:
    return state_dir() / "up.json"


def sandbox_dir() -> Path:
    return state_dir() / "sandbox"


def _under(kind: str, variable: str, default: str) -> Path:
    if home := os.environ.get("KFW_HOME"):
        return Path(home) / kind
    base = os.environ.get(variable)
    root = Path(base) if base and Path(base).is_absolute() else Path.home() / default
    return root / "kfw"
