"""Whether a program can be run, else the line that installs it here."""

from kfw.checks import Check, Finding, error, ok
from kfw.system import tools


def tool(name: str, why: str) -> Check:
    """`why`: what it is needed for, `to make the cluster`."""

    def check() -> Finding:
        if missing := tools.missing(name):
            missing.what = f"{missing.what}, needed {why}"
            return error(name, missing)
        return ok(name, tools.find(name))

    return check
