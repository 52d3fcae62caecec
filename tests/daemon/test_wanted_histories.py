"""Pairs and triples of all that can happen to what is wanted, against its rules told a second way.

The daemon's core is the real one, with real files, record and kubeconfig; only the cluster is made up. The oracle keeps
one flat note per forward instead of layers of wishes, and knows no files, sources or plans.
"""

import random
from collections.abc import Awaitable, Callable, Iterable, Set
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from kfw.config.layers import load as load_config
from kfw.daemon.events import Events
from kfw.daemon.service import DaemonService
from kfw.errors import KfwError, UsageError
from kfw.kubeconfig.pin import pin
from kfw.model import Status
from kfw.names import select
from kfw.protocol import NamesRequest, Source, SwitchRequest, UpRequest
from kfw.supervisor.supervisor import Supervisor
from tests.fakes import FakeWorld

pytestmark = pytest.mark.asyncio

KUBECONFIG = """
apiVersion: v1
kind: Config
current-context: one
clusters: [{name: c, cluster: {server: "http://127.0.0.1:1"}}]
users: [{name: u, user: {token: t}}]
contexts: [{name: one, context: {cluster: c, user: u}}, {name: two, context: {cluster: c, user: u}}]
"""
#: Name to (profile, disabled by its own word). The profile `p` is disabled in the file.
FORWARDS = {"a": ("", False), "b": ("", False), "off": ("", True), "in": ("p", False), "out": ("p", True)}
#: The second project has two names of the first.
OTHERS = ("a", "b", "x")
#: How many of the triples are played in one run; a seed is printed with what fails.
TRIPLES = 150


def config(names: dict[str, tuple[str, bool]], port: int) -> str:
    def entry(name: str, disabled: bool) -> str:
        enabled = ", enabled: false" if disabled else ""
        return f"{{target: svc/{name}, targetPort: {port}, localPort: 0{enabled}}}"

    own = "".join(f"  {name}: {entry(name, off)}\n" for name, (profile, off) in names.items() if not profile)
    listed = "".join(
        f"      {name}: {entry(name, off)}\n" for name, (profile, off) in names.items() if profile
    )
    return f"portForwards:\n{own}profiles:\n  p:\n    enabled: false\n    portForwards:\n{listed}"


class World:
    """Two projects and one daemon, which can be another one."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.is_unreadable = False
        for name in ("one", "two"):
            (folder / name).mkdir(parents=True)
        (folder / "kubeconfig").write_text(KUBECONFIG)
        self.file("one").write_text(config(FORWARDS, 80))
        self.file("two").write_text(config(dict.fromkeys(OTHERS, ("", False)), 80).partition("profiles")[0])
        self.start()

    def start(self) -> None:
        self.fake = FakeWorld()
        supervisor = Supervisor(self.fake.world, lambda kind, status: None)
        events = Events(self.fake.clock)
        self.core = DaemonService(
            supervisor, events, self.fake.clock, self.folder / "up.json", on_demand=False
        )

    def file(self, project: str = "one") -> Path:
        return self.folder / project / "kfw.yaml"

    def source(self, project: str = "one", **flags: str) -> Source:
        key = str(self.file(project))
        kubeconfig = str(self.folder / "kubeconfig")
        return Source(
            key=key, project=key, cwd=str(self.folder / project), flags=flags, kubeconfig=kubeconfig
        )

    async def up(self, *words: str, project: str = "one", **flags: str) -> None:
        """As kfw/commands/up.py asks for it. A config that is wrong is refused there."""
        source = self.source(project, **flags)
        settings = load_config(Path(source.cwd), flags=flags, user_file=self.folder / "none.yaml")
        if settings.project_file != self.file(project):
            raise UsageError("no forwards are configured")
        from kfw.commands.up import _forwards

        chosen = (
            select(words, {name: one.profile for name, one in settings.forwards.items()}) if words else None
        )
        request = UpRequest(
            forwards=pin(_forwards(settings, chosen), source.kubeconfig),
            source=source,
            replace=not words,
            names=list(chosen.names if chosen else ()),
            profiles=list(chosen.profiles if chosen else ()),
        )
        await self.core.up(request)

    async def restart(self) -> None:
        await self.core.supervisor.close()
        self.start()
        await self.core.restore()

    def word(self, name: str) -> str:
        """For a NAME of the first project: alone it may mean the second's, where the first has none."""
        return f"one/{name}"

    def running(self) -> dict[str, str]:
        """Name to context of what runs, of the second project `two/name`."""
        supervisor = self.core.supervisor
        on = {row.id for row in supervisor.statuses() if row.status not in (Status.STOPPED, Status.DISABLED)}
        first = str(self.file())
        return {
            row.name if row.project == first else f"two/{row.name}": one.context
            for row, one in supervisor.rows().items()
            if row in on
        }


@dataclass
class Oracle:
    """`up`: a bare `up` holds, in this context. `now`: what runs, with its context."""

    up: bool = False
    context: str = "one"
    #: What the user said last of a name: on, down or disabled; and of the profile, "" where only the file speaks.
    notes: dict[str, str] = field(default_factory=dict)
    profile: str = ""
    contexts: dict[str, str] = field(default_factory=dict)
    other: bool = False
    file: Set[str] = frozenset(FORWARDS)
    now: dict[str, str] = field(default_factory=dict)

    def should_run(self, name: str) -> bool:
        profile, off = FORWARDS[name]
        note = self.notes.get(name, "")
        if note:
            return note == "on"
        if profile and self.profile:
            return self.profile == "on" and not off
        return self.up and not off and not profile

    def look(self, names: Iterable[str]) -> None:
        """These are as the rules say from now on."""
        for name in names:
            self.now.pop(name, None)
            if name in self.file and self.should_run(name):
                self.now[name] = self.contexts.get(name, self.context)

    def say(self, word: str, note: str, context: str = "") -> None:
        """A word of the user about a forward, or about the profile `p` and so about its members."""
        names = [word] if word != "p" else [name for name, (profile, _) in FORWARDS.items() if profile]
        if word != "p":
            if not (note == "down" and self.notes.get(word) == "disabled"):
                self.notes[word] = note
        elif not (note == "down" and self.profile == "disabled"):
            self.profile = note
        if word == "p":
            self.notes = {n: old for n, old in self.notes.items() if n not in names or old == "disabled"}
        if context:
            self.contexts |= dict.fromkeys(names, context)
        self.look(names)

    def bare_up(self, context: str) -> None:
        self.up, self.context, self.contexts = True, context, {}
        self.notes = {name: note for name, note in self.notes.items() if note != "down"}
        self.profile = "" if self.profile == "down" else self.profile
        self.look(FORWARDS)

    def bare_down(self) -> None:
        """Only what is disabled is remembered of a project that is down."""
        self.up, self.now = False, {}
        self.notes = {name: note for name, note in self.notes.items() if note == "disabled"}
        self.profile = self.profile if self.profile == "disabled" else ""

    def down(self, word: str) -> None:
        self.say(word, "down")
        if not self.now:  # the last of it
            self.bare_down()


Step = Callable[[World, Oracle], Awaitable[None]]


def up(*words: str, context: str = "") -> Step:
    async def act(world: World, oracle: Oracle) -> None:
        await world.up(*words, **({"context": context} if context else {}))
        for word in words:
            oracle.say(word, "on", context or "one")
        if not words:
            oracle.bare_up(context or "one")

    return act


def down(*words: str) -> Step:
    async def act(world: World, oracle: Oracle) -> None:
        await world.core.down(NamesRequest(list(map(world.word, words)), project=str(world.file())))
        for word in words:
            oracle.down(word)
        if not words:
            oracle.bare_down()

    return act


def remove(word: str) -> Step:
    async def act(world: World, oracle: Oracle) -> None:
        await world.core.remove(NamesRequest([world.word(word)]))
        oracle.down(word)

    return act


def switch(note: str, word: str) -> Step:
    async def act(world: World, oracle: Oracle) -> None:
        request = SwitchRequest(names=[world.word(word)], source=world.source())
        await (world.core.enable(request) if note == "on" else world.core.disable(request))
        oracle.say(word, note)

    return act


async def reload(world: World, oracle: Oracle) -> None:
    await world.core.reload()
    oracle.look(FORWARDS)


async def changed(world: World, oracle: Oracle) -> None:
    """`b` is not in the file any more, and all others are to another port."""
    oracle.file = FORWARDS.keys() - {"b"}
    world.is_unreadable = False
    world.file().write_text(config({name: FORWARDS[name] for name in FORWARDS if name != "b"}, 81))


async def gone(world: World, oracle: Oracle) -> None:
    world.file().unlink(missing_ok=True)
    world.is_unreadable = True


async def broken(world: World, oracle: Oracle) -> None:
    world.file().write_text("portForwards: {a: [")
    world.is_unreadable = True


async def restarted(world: World, oracle: Oracle) -> None:
    await world.restart()


async def second(world: World, oracle: Oracle) -> None:
    await world.up(project="two")
    oracle.other = True


async def second_down(world: World, oracle: Oracle) -> None:
    await world.core.down(NamesRequest([], project=str(world.file("two"))))
    oracle.other = False


STEPS: dict[str, Step] = {
    "up": up(),
    "up --context two": up(context="two"),
    "up a --context two": up("a", context="two"),
    "up off": up("off"),
    "up p": up("p"),
    "down": down(),
    "down a": down("a"),
    "down p": down("p"),
    "remove a": remove("a"),
    "disable a": switch("disabled", "a"),
    "disable p": switch("disabled", "p"),
    "enable a": switch("on", "a"),
    "enable p": switch("on", "p"),
    "reload": reload,
    "changed": changed,
    "gone": gone,
    "broken": broken,
    "restarted": restarted,
    "second": second,
    "second down": second_down,
}


async def play(folder: Path, history: Iterable[str]) -> None:
    """Each step, then what is at rest must stay so: a reload and a restart of the daemon."""
    world, oracle = World(folder), Oracle()
    done = []
    for name in (*history, "reload", "restarted", "reload"):
        done.append(name)
        before = world.running()
        try:
            await STEPS[name](world, oracle)
        except KfwError as error:
            assert world.running() == before, f"{done}: it was refused, and changed something: {error}"
        expected = oracle.now | ({f"two/{name}": "one" for name in OTHERS} if oracle.other else {})
        assert world.running() == expected, done
    await world.core.supervisor.close()


@pytest.mark.parametrize("first", STEPS)
async def test_every_pair_after_an_up_is_as_the_rules_say(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, first: str
) -> None:
    monkeypatch.setenv("KFW_HOME", str(tmp_path / "home"))
    for then in STEPS:
        await play(tmp_path / f"{then} after", ("up", first, then))


async def test_any_triple_is_as_the_rules_say(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KFW_HOME", str(tmp_path / "home"))
    seed = random.randrange(2**32)
    drawn = random.Random(seed)
    for number in range(TRIPLES):
        history = drawn.choices(list(STEPS), k=3)
        try:
            await play(tmp_path / str(number), history)
        except AssertionError as error:
            raise AssertionError(f"seed {seed}, {history}: {error}") from error
