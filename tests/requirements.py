"""docs/requirements.md: what seed 004 asks for, which tests show it, and how they ended. `python -m tests.requirements` runs
them (those of a real cluster where KFW_RIG_KUBECONFIG or its like names one) and writes the page."""

import re
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from xml.etree import ElementTree

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "requirements.md"
RESULTS = ROOT / "build" / "requirements.xml"

#: Sentence by id, as kfw keeps it: what the seed says of its daemon and its profiles.
REQUIREMENTS: Mapping[str, str] = {
    "FR-CORE-01": "The daemon runs in the background, in a session of its own, until it is stopped",
    "FR-CORE-02": "It keeps several kubefwd processes, one per profile",
    "FR-CORE-03": "A kubefwd that ends, however it does, is started again",
    "FR-CORE-04": "Stopping ends children politely and leaves nothing behind",
    "FR-CORE-05": "Counters and what is switched off survive a restart; a torn state file is put aside with a word",
    "FR-CORE-06": "A reload touches only what has changed; a config that is wrong changes nothing",
    "FR-CONN-01": "A forward that stops answering is seen within 5 s",
    "FR-CONN-02": "It is opened again after pauses that grow",
    "FR-CONN-03": "First pause, longest pause and multiplier are the user's",
    "FR-CONN-04": "Attempts can be limited; 0 is for ever",
    "FR-CONN-05": "Uptime and failures are counted, and never run backwards",
    "FR-CONN-06": "Health checks prove that the app answers",
    "FR-CFG-01": "YAML and TOML say the same",
    "FR-CFG-02": "Several profiles and forwards have names; a name that is there twice is an error with its line",
    "FR-CFG-03": "A profile has namespaces, label selectors and a kubeconfig",
    "FR-CFG-04": "A profile has pauses of its own",
    "FR-CFG-05": "A profile can be switched off and on, and its block stays as it is",
    "FR-CFG-06": "A config is checked when it is loaded: all mistakes at once, each with its place",
    "FR-CFG-07": "Nix modules have the options of the config",
    "FR-CLI-01": "`kfw start` starts the daemon",
    "FR-CLI-02": "`kfw stop` stops it",
    "FR-CLI-03": "`kfw status` shows everything, and says when no daemon runs",
    "FR-CLI-04": "`kfw restart --daemon`: another daemon, the same counters",
    "FR-CLI-05": "`kfw reload` applies a changed config",
    "FR-CLI-06": "`kfw logs` shows the log, of one forward too, and follows it",
    "FR-CLI-07": "`kfw disable` and `kfw enable` hold over a restart",
    "FR-CLI-08": "Output is for people: colours on a terminal only, tables that fit it",
    "FR-CLI-09": "`--json` prints one JSON value",
    "FR-MON-01": "Each significant event is a line of the log",
    "FR-MON-02": "Uptime, reconnects and the current state can be read",
    "FR-MON-03": "A Prometheus page, off unless asked for",
    "FR-MON-04": "Desktop notices, which never hold anything up",
    "FR-MON-05": "What children say is in the log under their name, whatever bytes it is",
    "NFR-PERF-01": "The daemon takes less than 50 MB",
    "NFR-PERF-02": "A lost way is seen within 5 s",
    "NFR-PERF-03": "The daemon answers within 2 s of its start",
    "NFR-REL-01": "Nothing that a child does ends the daemon",
    "NFR-REL-02": "It recovers by itself when the network was away",
    "NFR-REL-03": "A changed kubeconfig is taken up, by those that it concerns",
    "NFR-SEC-01": "Only kubefwd runs as root",
    "NFR-SEC-02": "A config that others may write is refused; what kfw writes is the user's alone",
    "NFR-SEC-03": "No secret and no whole path of a kubeconfig is in the log",
    "NFR-SEC-04": "The control socket is the user's alone",
    "NFR-COMPAT-01": "Linux on x86_64 and aarch64: one pure wheel",
    "NFR-COMPAT-02": "macOS: the same wheel; what Linux tells in /proc is asked of ps and lsof there",
    "NFR-COMPAT-03": "Each version of kubefwd gets the flags that it knows",
    "NFR-COMPAT-04": "Kubernetes 1.25 and newer: stable APIs only",
    "US-1": "Story: my services stay connected all day while pods come and go",
    "US-2": "Story: profiles for several clusters, switched by name",
    "US-3": "Story: what happened to my connection is easy to see",
    "US-4": "Story: a script brings profiles up and down and reads the result",
    "SM-1": "Metric: back in service 30 s after a pod restart at the latest",
    "SM-2": "Metric: less than 1 % of reconnects without a cause",
    "SM-3": "Metric: every mistake of a config is caught when it is loaded",
    "SM-4": "Metric: no connection that only a person can bring back",
}

_ID = re.compile(r"(?<![A-Z])((?:N?FR_[A-Z]+|US|SM)_\d+)(?=_)")
_TEST = re.compile(r"^(?:async )?def test_(\w+)", re.M)

_HEAD = """# Requirements

What seed 004, the kubefwd daemon, asks for, and what shows that kfw does it. Written by `make requirements`, which runs the
tests; a test bears the ids that it shows in its name. Last run: {when}.

| id | what | shown by | result |
|---|---|---|---|
"""


@dataclass(frozen=True)
class Proof:
    """One test function that bears an id."""

    file: str
    name: str

    def __str__(self) -> str:
        return f"`{self.file}` {self.name}"


def proofs() -> dict[str, list[Proof]]:
    """By requirement, in the order of the files."""
    found: dict[str, list[Proof]] = {name: [] for name in REQUIREMENTS}
    for file in sorted((ROOT / "tests").rglob("test_*.py")):
        for name in _TEST.findall(file.read_text()):
            for requirement in ids_in(name):
                where = file.relative_to(ROOT / "tests").with_suffix("")
                found.setdefault(requirement, []).append(Proof(str(where), _words(name)))
    return found


def ids_in(name: str) -> list[str]:
    return [one.replace("_", "-") for one in _ID.findall(name)]


def rows(page: str) -> dict[str, tuple[str, str]]:
    """What a page has by id: who shows it, and the result."""
    found = re.findall(r"^\| ((?:N?FR-[A-Z]+|US|SM)-\d+) \| [^|]+ \| ([^|]*) \| ([^|]*) \|$", page, re.M)
    return {name: (shown, result) for name, shown, result in found}


def shown_by(tests: list[Proof]) -> str:
    return "<br>".join(map(str, tests))


def written(results: Mapping[str, str]) -> str:
    """The page. `results`: outcome by the name of the test function."""
    found = proofs()
    lines = [
        f"| {name} | {sentence} | {shown_by(found[name])} | {_result(name, results)} |"
        for name, sentence in REQUIREMENTS.items()
    ]
    return _HEAD.format(when=datetime.now(UTC).strftime("%Y-%m-%d")) + "\n".join(lines) + "\n"


def _result(requirement: str, results: Mapping[str, str]) -> str:
    own = [outcome for test, outcome in results.items() if requirement in ids_in(test)]
    counts = ((outcome, own.count(outcome)) for outcome in ("passed", "failed", "skipped"))
    return ", ".join(f"{count} {outcome}" for outcome, count in counts if count) or "not run"


def _words(name: str) -> str:
    return _ID.sub("", name).strip("_").replace("_", " ")


def _outcomes() -> Iterator[tuple[str, str]]:
    for case in ElementTree.parse(RESULTS).iter("testcase"):
        kinds = {child.tag for child in case}
        outcome = "failed" if kinds & {"failure", "error"} else "skipped" if "skipped" in kinds else "passed"
        yield f"{case.get('classname')}.{case.get('name')}", outcome


def main(arguments: list[str]) -> int:
    RESULTS.parent.mkdir(exist_ok=True)
    chosen = ["-k", "FR_ or US_ or SM_", f"--junitxml={RESULTS}", *arguments]
    code = subprocess.run([sys.executable, "-m", "pytest", *chosen], cwd=ROOT, check=False).returncode
    if code <= 1:  # all passed, or some failed: the page says which
        PAGE.write_text(written(dict(_outcomes())))
    return code


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
