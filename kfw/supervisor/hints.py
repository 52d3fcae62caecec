"""When it is worth to look at a path because its connections are late or fail, and what the look means. Pure."""

from kfw.backoff import Backoff
from kfw.errors import KfwError
from kfw.methods.base import Examination
from kfw.methods.probe import Unanswered
from kfw.model import Problem, Reason, problem_of
from kfw.relay.suspicion import Hint
from kfw.supervisor.machine_events import ProbeFailed, ProbeOk

#: Seconds between two looks for a hint. After each that found nothing the next hint waits twice as long, up to these, by how
#: grave it is: an app that is slow by itself costs next to nothing.
FIRST_PAUSE = 1.0
LONGEST_PAUSE = {Hint.SOME: 30.0, Hint.ALL: 4.0}
#: After so many seconds without a hint it begins with the first again.
FORGOTTEN_AFTER = 60.0


class HintPace:
    """Times in seconds, by one clock."""

    def __init__(self) -> None:
        self._looked_at = float("-inf")
        self._passed = 0  # looks in a row that found nothing

    def wait(self, hint: Hint, now: float) -> float:
        """Seconds until there may be a look for it; 0 or less: now."""
        if now - self._looked_at > FORGOTTEN_AFTER:
            self._passed = 0
        pauses = Backoff(FIRST_PAUSE, LONGEST_PAUSE.get(hint, FIRST_PAUSE))
        return self._looked_at + pauses.after(self._passed + 1) - now

    def looked(self, now: float, *, passed: bool) -> None:
        """What one has found."""
        self._looked_at = now
        self._passed = self._passed + 1 if passed else 0


def is_contradicted(seen: Examination, answered: int) -> bool:
    """No probe was answered, and meanwhile so many clients were: the app does not end connections as it used to."""
    silent = [error for error in seen.errors if isinstance(error, Unanswered)]
    return answered > 0 and len(silent) == len(seen.found)


def event_of(seen: Examination) -> ProbeOk | ProbeFailed:
    errors = seen.errors
    if not errors:
        return ProbeOk()
    some = len(errors) < len(seen.found)
    return ProbeFailed(_problem(seen, errors), apart=some or seen.apart)


def _problem(seen: Examination, errors: tuple[KfwError, ...]) -> Problem:
    worst = next((error for error in errors if not isinstance(error, Unanswered)), errors[0])
    if len(errors) == len(seen.found) and not isinstance(worst, Unanswered):
        return problem_of(worst)
    many = f"{len(errors)} of {len(seen.found)} probes of {seen.name}"
    if isinstance(worst, Unanswered):
        return Problem(Reason.UNHEALTHY, f"{many} got {worst.what}")
    return Problem(Reason.UNHEALTHY, f"{many} failed: {worst.what}", worst.fix)
