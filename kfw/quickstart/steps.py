"""How the stages run other programs: questions that change nothing, and deeds. A dry run only says its deeds.

After the first deed that a dry run left out the world is not what it would be, so from then on its questions are only
said, too, and answered by what the stage assumes.
"""

import shlex
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from kfw.errors import KfwError
from kfw.system import shell
from kfw.system.shell import CommandAnswer, Run

Say = Callable[[str], None]


def _no(_: str) -> bool:
    return False


@dataclass
class Steps:
    """`say` gets messages for people, `show` the command lines of a dry run, `agree` asks a question."""

    say: Say
    show: Say
    agree: Callable[[str], bool] = _no
    dry: bool = False
    verbose: bool = False
    run: Run = shell.run
    #: Runs a command line of kfw itself, without its first word.
    kfw: Callable[[Sequence[str]], int] = lambda _: 0
    imagined: bool = field(default=False, init=False)

    def ask(self, argv: Sequence[str], *, timeout: float = 30.0, assume: str = "") -> CommandAnswer:
        """A command that changes nothing. Raises ToolMissing, TimedOut; a failure is an answer."""
        self._tell(argv)
        if self.imagined:
            return CommandAnswer(tuple(argv), 0, assume)
        return self.run(argv, timeout=timeout)

    def do(self, argv: Sequence[str], *, timeout: float | None = None, again: bool = False) -> CommandAnswer:
        """A command that changes something. Raises ToolMissing, TimedOut; a failure is an answer.

        `again`: it only renews what an earlier run has done, so a dry run may go on asking.
        """
        self._tell(argv)
        if self.dry:
            self.imagined = self.imagined or not again
            return CommandAnswer(tuple(argv), 0)
        return self.run(argv, timeout=timeout, on_line=self.say if self.verbose else None)

    def must(self, argv: Sequence[str], what: str, *, timeout: float | None = None) -> CommandAnswer:
        """A deed without which there is no going on. Raises KfwError: `what`, and the tool's own words."""
        answer = self.do(argv, timeout=timeout)
        if not answer.ok:
            raise KfwError(f"{what}: {answer.words}", shlex.join(argv))
        return answer

    def ourselves(self, argv: Sequence[str]) -> int:
        """A command of kfw; its exit code."""
        self._tell(["kfw", *argv])
        if self.dry:
            return 0
        return self.kfw(argv)

    def _tell(self, argv: Sequence[str]) -> None:
        if self.dry:
            self.show(shlex.join(argv))
        elif self.verbose:
            self.say(f"$ {shlex.join(argv)}")
