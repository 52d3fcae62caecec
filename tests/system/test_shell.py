"""One-shot commands: exit code, both streams, time limit, and tools that are not there."""

import sys
import time
from pathlib import Path

import pytest

from kfw.errors import TimedOut, ToolMissing
from kfw.system.shell import CommandAnswer, run
from tests.stopwatch import in_time


def python(code: str) -> list[str]:
    return [sys.executable, "-c", code]


def test_the_streams_are_told_apart_and_a_failure_is_an_answer() -> None:
    answer = run(python("import sys; print('data'); print('words', file=sys.stderr); sys.exit(3)"))
    assert (answer.code, answer.out, answer.err, answer.ok) == (3, "data\n", "words\n", False)


def test_a_signal_is_an_answer_too() -> None:
    assert run(python("import os; os.kill(os.getpid(), 9)")).code == -9


def test_a_command_that_hangs_is_ended_and_named() -> None:
    began = time.monotonic()
    with pytest.raises(TimedOut, match="did not answer within"):
        run(python("import time; time.sleep(60)"), timeout=0.3)
    assert in_time(time.monotonic() - began, 5)


def test_a_tool_that_is_missing_comes_with_the_line_that_installs_it() -> None:
    with pytest.raises(ToolMissing, match="cannot find helm on PATH") as caught:
        run(["helm", "version"], env={"PATH": "/nowhere"})
    assert caught.value.fix


def test_no_terminal_is_pretended_and_nothing_is_a_shell_word() -> None:
    told = "import sys; print([s.isatty() for s in (sys.stdin, sys.stdout, sys.stderr)], sys.argv[1:])"
    assert run([*python(told), "$HOME", "a b; ls"]).out == "[False, False, False] ['$HOME', 'a b; ls']\n"


def test_lines_of_stderr_are_heard_as_they_come() -> None:
    heard: list[str] = []
    run(
        python("import sys; print('one', file=sys.stderr); print('two', file=sys.stderr)"),
        on_line=heard.append,
    )
    assert heard == ["one", "two"]


def test_input_and_environment_reach_the_command(tmp_path: Path) -> None:
    code = "import os, sys; print(sys.stdin.read(), os.environ['GREETING'])"
    assert run(python(code), stdin="in", env={"GREETING": "hello"}).out == "in hello\n"


def test_the_words_of_an_answer_are_its_last_lines() -> None:
    assert CommandAnswer((), 1, "out", "1\n\n2\n3\n4\n").words == "2; 3; 4"
    assert CommandAnswer((), 1, "only out\n", "").words == "only out"
    assert CommandAnswer((), 7).words == "exit code 7"
