"""Where kfw keeps its files. Everything can be moved with KFW_HOME, so that tests and second daemons are apart.

All raise UsageError where there is no home directory, or KFW_HOME is somebody else's.
"""

from pathlib import Path

from kfw import folders

#: macOS allows 104 bytes for a unix socket's path, Linux 108.
MAX_SOCKET_PATH = 103


def user_home() -> Path:
    return Path(folders.user_home())


def config_file() -> Path:
    """The user's config: `~/.config/kfw/config.yaml` on every system; XDG_CONFIG_HOME moves it."""
    return Path(folders.folder_of("config", "XDG_CONFIG_HOME", ".config")) / "config.yaml"


def state_dir() -> Path:
    """What must survive a restart: the ledger, what was up, the logs."""
    return Path(folders.folder_of("state", "XDG_STATE_HOME", ".local/state"))


def cache_dir() -> Path:
    return Path(folders.folder_of("cache", "XDG_CACHE_HOME", ".cache"))


def runtime_dir() -> Path:
    """The socket and the pidfile: XDG_RUNTIME_DIR where it exists, else a directory of ours in the state directory."""
    return Path(folders.runtime_folder())


def socket_path() -> Path:
    return runtime_dir() / "kfw.sock"


def pid_file() -> Path:
    return runtime_dir() / "kfw.pid"


def daemon_lock() -> Path:
    """Held by the daemon for its whole life."""
    return pid_file().with_suffix(".lock")


def log_file() -> Path:
    return state_dir() / "kfw.log"


def store_file() -> Path:
    return state_dir() / "up.json"


def counters_file() -> Path:
    return state_dir() / "counters.json"


def sandbox_dir() -> Path:
    return state_dir() / "sandbox"
