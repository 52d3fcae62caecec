"""What must be so on this machine: small functions, each a finding with its fix, in the order in which they matter.

Shared by bootstrap and doctor. A check asks other programs and changes nothing.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum

from kfw.errors import ALL_ERRORS, KfwError
from kfw.system import tools
from kfw.system.shell import CommandAnswer

#: ask(argv, timeout=seconds) -> Answer; raises ToolMissing, TimedOut.
Ask = Callable[..., CommandAnswer]


class Level(StrEnum):
    OK = "ok"
    WARNING = "warning"
    ERROR = "error"


@dataclass(frozen=True)
class Finding:
    """`fix` is the exact line that fixes it; `exit_code` counts only for an error."""

    check: str
    level: Level
    what: str
    fix: str = ""
    exit_code: int = 1


Check = Callable[[], Finding]


def ok(check: str, what: str) -> Finding:
    return Finding(check, Level.OK, what)


def warning(check: str, what: str, fix: str = "") -> Finding:
    return Finding(check, Level.WARNING, what, fix)


def error(check: str, why: KfwError) -> Finding:
    return Finding(check, Level.ERROR, why.what, why.fix, why.exit_code)


def remembering(ask: Ask) -> Ask:
    """Asks each question once: the checks of one round see one world."""
    known: dict[tuple[str, ...], CommandAnswer] = {}

    def once(argv: Sequence[str], **how: float) -> CommandAnswer:
        if tuple(argv) not in known:
            known[tuple(argv)] = ask(argv, **how)
        return known[tuple(argv)]

    return once


def in_order(checks: Iterable[Check]) -> Iterator[Finding]:
    """Until the first error: what comes after it would only repeat it."""
    for check in checks:
        finding = check()
        yield finding
        if finding.level is Level.ERROR:
            return


def first_error(findings: Iterable[Finding]) -> Finding | None:
    return next((finding for finding in findings if finding.level is Level.ERROR), None)


def as_error(finding: Finding) -> KfwError:
    """The error whose exit code is the finding's."""
    kind = next((kind for kind in ALL_ERRORS if kind.exit_code == finding.exit_code), KfwError)
    return kind(finding.what, finding.fix)


def lines(findings: Sequence[Finding]) -> list[str]:
    """One line for each, and the fix below it."""
    width = max((len(finding.check) for finding in findings), default=0)
    shown = []
    for finding in findings:
        shown.append(f"{finding.level.value:7}  {finding.check:{width}}  {finding.what}")
        shown += [f"{'':7}  {'':{width}}  {finding.fix}"] if finding.fix else []
    return shown


def tool(name: str, why: str) -> Check:
    """`why`: what it is needed for, `to make the cluster`."""

    def check() -> Finding:
        if missing := tools.missing(name):
            missing.what = f"{missing.what}, needed {why}"
            return error(name, missing)
        return ok(name, tools.find(name))

    return check
