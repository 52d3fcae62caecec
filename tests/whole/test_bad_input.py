"""What every command says to what cannot be: one line that names it, the fix, its exit code, nothing half done.

Ports that others hold: test_ports.py. Logins, permissions, a cluster that is away: test_api.py and tests/real.
"""

import os
from collections.abc import Callable, Iterator

import pytest

from kfw import cli
from kfw.sandbox.manifests import deployment, namespace, service
from kfw.sandbox.manifests import port as service_port
from tests.real import talk
from tests.real.running import Done
from tests.whole.conftest import Make
from tests.whole.place import Place
from tests.whole.program import Program, listens

Run = Callable[..., Done]

UNKNOWN = "cannot find a forward named 'nope'"

#: Words of the command line, what is said, and what fixes it; the exit code is 2.
USAGE = [
    ("up nope", UNKNOWN, "known: "),
    ("up wbe", "cannot find a forward named 'wbe'", "did you mean web?"),
    ("up --nope", "No such option: --nope", "`kfw up --help` says how"),
    ("up --context nope", 'context "nope" does not exist in ', "use one of: kfw-sandbox"),
    ("up --kubeconfig /none", "/none", ""),
    ("up --config /none.yaml", "the configuration has a problem", "kfw init writes one"),
    ("up --timeout soon", "'soon' is not a duration", "write for example 30s"),
    ("up --method magic", "magic", "auto, tunnel, nodeport, forwarder, socat, kubectl, kubefwd"),
    ("down nope", UNKNOWN, "known: web"),
    ("restart nope", UNKNOWN, "known: web"),
    ("status nope", UNKNOWN, "known: web"),
    ("status --watch --json", "--watch cannot print JSON", "`kfw events --follow --json`"),
    ("remove nope", UNKNOWN, "known: web"),
    ("remove", "Missing argument", "`kfw remove --help` says how"),
    ("retry nope", UNKNOWN, "known: web"),
    ("wait nope", UNKNOWN, "known: web"),
    ("wait web --for nonsense", "'nonsense' is not one of", "'active'"),
    ("verify nope", UNKNOWN, "known: web"),
    ("explain nope", UNKNOWN, "known: web"),
    ("events --since x", "'x' is not a valid int", "`kfw events --help` says how"),
    ("logs -n -3", "-3 is not in the range", "`kfw logs --help` says how"),
    ("add web svc/web 18082:80", "a forward named 'web' exists already", "`kfw remove web` first"),
    ("add b svc/web 0:80", "'0' is not a port", "a number from 1 to 65535"),
    ("add b svc/web 65536:80", "'65536' is not a port", "a number from 1 to 65535"),
    ("add b cronjob/web 80", "'cronjob' cannot be forwarded to", "use one of service, pod"),
    ("add b svc/web 80 --context nope", 'context "nope" does not exist in ', "use one of: kfw-sandbox"),
    ("add b svc/web 80 --method magic", "unknown method 'magic'", "use one of auto"),
    ("config nope", "No such command 'nope'", "`kfw config --help` says how"),
    ("sandbox nope", "No such command 'nope'", "`kfw sandbox --help` says how"),
    ("serve --log-level loud", "unknown log level 'loud'", "use one of debug"),
    ("demo --for never", "'never' is not a duration", "write for example 30s"),
    ("version nope", "nexpected extra argument", "`kfw version --help` says how"),
    ("start nope", "nexpected extra argument", "`kfw start --help` says how"),
    ("stop nope", "nexpected extra argument", "`kfw stop --help` says how"),
    ("reload nope", "nexpected extra argument", "`kfw reload --help` says how"),
    ("init a b", "nexpected extra argument", "`kfw init --help` says how"),
    ("nope", "unknown command 'nope'", "`kfw --help`"),
]


@pytest.fixture(scope="module")
def running(shared: Place) -> Iterator[Program]:
    """A daemon with one forward, `web`, which the project names, too."""
    shared.apply(
        namespace("bad-input"),
        deployment("bad-input", "web", ports={"http": 8080}),
        service("bad-input", "web", service_port(80, "http")),
    )
    program = Program(shared.kubeconfig)
    try:
        program.up(
            {"web": {"target": "service/web", "localPort": talk.free_ports(1)[0], "namespace": "bad-input"}}
        )
        yield program
    finally:
        program.close()


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """`run(program, "up", "nope")`: the command in this process, which is much faster; the daemon is the program's."""

    def run(program: Program, *words: str) -> Done:
        for name in ("HOME", "KFW_HOME", "KUBECONFIG", "NO_COLOR"):
            monkeypatch.setenv(name, program.env[name])
        monkeypatch.chdir(program.project)
        code = cli.run(words)
        return Done(words, code, *capsys.readouterr())

    return run


def check(done: Done, code: int, words: str, fix: str) -> None:
    said = " ".join(done.stderr.split())
    assert done.returncode == code, said
    assert done.stderr.startswith("kfw: "), said
    assert words in said
    assert fix in said
    assert "Traceback" not in said
    assert bool(done.stdout) is ("--json" in done.args)  # the error as JSON


@pytest.mark.parametrize(("line", "words", "fix"), USAGE, ids=[line for line, *_ in USAGE])
def test_what_cannot_be_meant_is_2_and_changes_nothing(
    running: Program, run: Run, line: str, words: str, fix: str
) -> None:
    before = _state(running)
    check(run(running, *line.split()), 2, words, fix)
    assert _state(running) == before
    assert before["web"][0] == "active"


def _state(kfw: Program) -> dict[str, tuple[object, ...]]:
    return {name: (row["status"], row["since"], row["localPort"]) for name, row in kfw.rows().items()}


def test_a_port_of_another_forward_is_6_and_named(running: Program) -> None:
    port = running.status("web")["localPort"]
    done = running("add", "b", "svc/web", f"{port}:80", code=None)
    check(done, 6, f"cannot listen on {port}: the forward 'web' has it", "`kfw remove web` first")
    assert list(running.rows()) == ["web"]


def test_a_port_of_another_program_is_6_with_its_name_and_pid(running: Program, port: int) -> None:
    with talk.listener(port):
        done = running("add", "b", "svc/web", f"{port}:80", "-n", "bad-input", code=6)
    assert f"port-in-use: cannot listen on {port}: " in done.stderr
    assert f"(pid {os.getpid()}) has it" in done.stderr
    assert "or add --next-port" in done.stderr
    running("remove", "b")


def test_logs_of_a_name_that_nothing_is_known_of_says_so(running: Program) -> None:
    assert running("logs", "nope").stderr == "the log has no line about 'nope'\n"


def test_a_broken_config_changes_nothing_that_runs(running: Program) -> None:
    file = running.project / "kfw.yaml"
    good, before = file.read_text(), _state(running)
    file.write_text("portForwards:\n  web: {target: service/web, localPort: eighty}\n")
    try:
        for command in ("up", "reload"):
            check(running(command, code=None), 2, "kfw.yaml:2:41: ", "eighty")
        assert running("config", "check", code=None).returncode == 2
        assert _state(running) == before
    finally:
        file.write_text(good)
    assert running("reload").returncode == 0
    assert _state(running) == before


#: What asks a daemon that is not there; what ends things has nothing to do then.
NEED_A_DAEMON = [
    "status",
    "restart",
    "reload",
    "events",
    "remove x",
    "retry",
    "wait",
    "verify",
    "explain x",
    "down x",
]


def test_without_a_daemon_what_needs_one_is_3_and_starts_none(own_kfw: Program, run: Run) -> None:
    for line in NEED_A_DAEMON:
        check(run(own_kfw, *line.split()), 3, "the daemon is not running", "`kfw up` starts it")
    assert own_kfw("down").stderr == "nothing was up\n"
    assert own_kfw("stop").stderr == "the daemon was not running\n"
    assert own_kfw.json("status", code=3) == {"daemon": own_kfw.daemon(), "forwards": []}
    assert own_kfw.daemon()["running"] is False
    assert own_kfw.processes() == {}


@pytest.mark.parametrize("tool", ["socat", "kubectl"])
def test_B2_a_missing_tool_is_8_with_the_line_that_installs_it_and_nothing_listens(
    shared: Place, make_kfw: Make, port: int, path_without: Callable[[str], str], tool: str
) -> None:
    shared.apply(*(_web("no-tool")))
    kfw = make_kfw(shared.kubeconfig, PATH=path_without(tool))
    done = kfw.up(
        {"web": {"target": "service/web", "localPort": port, "namespace": "no-tool", "method": tool}}, code=8
    )
    said = " ".join(done.stdout.split())
    assert f"tool-missing: cannot find {tool} on PATH; " in said
    assert "install" in said
    assert "Traceback" not in done.stderr
    assert kfw.children(tool) == []
    assert kfw.status("web")["pid"] is None
    if tool == "socat":  # which would own the port; with kubectl it is kfw's, and connections wait
        assert not listens(port)


def _web(where: str) -> tuple[dict[str, object], ...]:
    return (
        namespace(where),
        deployment(where, "web", ports={"http": 8080}),
        service(where, "web", service_port(80, "http")),
    )


def test_B23_stdout_is_data_alone_and_messages_are_on_stderr(running: Program) -> None:
    """`--json` is one JSON value, also when something is wrong; what is said to people is on stderr."""
    for line in ("status", "verify", "wait web", "explain web", "retry", "config show", "up", "events"):
        assert running.json(*line.split()) is not None, line
    assert running("retry").stdout == running("reload").stdout == ""
    assert running.json("down")["stopped"] == ["web"]
    assert running("up", "--json").stderr.startswith("web: ")
