"""The tools of `kfw mcp`: command lines, and what is made of an answer."""

import json
from typing import Any

import jsonschema
import pytest

from kfw.commands._group import load_command
from kfw.mcp.command_tools import TOOLS, BadArguments, answer, command_line, offered


@pytest.mark.parametrize("name", TOOLS)
def test_a_tool_is_a_command_and_its_arguments_are_what_that_takes(name: str) -> None:
    tool, command = TOOLS[name], load_command(name)
    options = {word for parameter in command.params for word in parameter.opts}
    assert {f"--{each.replace('_', '-')}" for each in tool.arguments if each not in tool.words} <= options
    assert "--json" in options
    described = tool.described()
    jsonschema.Draft202012Validator.check_schema(described["inputSchema"])
    assert set(tool.required) | set(tool.words) <= set(tool.arguments)
    json.dumps(described)


def test_only_what_changes_nothing_is_offered_unless_it_is_allowed() -> None:
    assert [tool.name for tool in offered(False)] == ["targets", "status", "explain", "logs"]
    assert [tool.name for tool in offered(True)] == list(TOOLS)


@pytest.mark.parametrize(
    ("name", "given", "line"),
    [
        ("status", {}, "status --json"),
        (
            "status",
            {"names": ["api", "shop-*"], "context": "dev"},
            "status --json --context=dev -- api shop-*",
        ),
        ("targets", {"all_namespaces": True, "word": "web"}, "targets --json --all-namespaces -- web"),
        ("targets", {"all_namespaces": False}, "targets --json"),
        ("logs", {"lines": 5, "since": "10m"}, "logs --json --lines=5 --since=10m"),
        ("add", {"port": "8080:http", "target": "svc/api", "name": "x"}, "add --json -- x svc/api 8080:http"),
        ("add", {"target": "svc/api", "timeout": "5s"}, "add --json --timeout=5s -- svc/api"),
        ("explain", {"name": "--kubeconfig=/etc/passwd"}, "explain --json -- --kubeconfig=/etc/passwd"),
        ("up", {"context": "--config=/x"}, "up --json --context=--config=/x"),
    ],
)
def test_arguments_become_a_command_line_in_which_no_value_is_an_option(
    name: str, given: dict[str, Any], line: str
) -> None:
    assert command_line(TOOLS[name], given) == line.split()


@pytest.mark.parametrize(
    ("name", "given", "said"),
    [
        ("status", {"name": "api"}, "status has no argument 'name', known are names, context"),
        ("status", {"names": "api"}, "names is a array"),
        ("status", {"names": [["api"]]}, "names has only strings"),
        ("logs", {"lines": True}, "lines is a integer"),
        ("add", {}, "add needs target"),
        ("add", {"target": ""}, "add needs target"),
        ("up", {"context": "x" * 1000}, "context is too long, or has characters that cannot be printed"),
        ("up", {"names": ["a\x00b"]}, "names is too long, or has characters that cannot be printed"),
        ("up", [], "arguments are an object"),
    ],
)
def test_what_cannot_be_asked_is_said(name: str, given: Any, said: str) -> None:
    with pytest.raises(BadArguments) as wrong:
        command_line(TOOLS[name], given)
    assert str(wrong.value) == said


def test_an_answer_is_an_object_and_its_text() -> None:
    rows = [{"target": "service/web"}]
    result = answer(TOOLS["targets"], 0, json.dumps(rows), "")
    assert result["structuredContent"] == {"targets": rows}
    assert json.loads(result["content"][0]["text"]) == {"targets": rows}
    assert "isError" not in result


def test_an_error_has_its_cause_and_the_fix() -> None:
    error = {"error": {"message": "cannot listen on 8080: nginx has it", "fix": "free it", "exitCode": 6}}
    result = answer(TOOLS["up"], 6, json.dumps(error), "kfw: ...")
    assert result["isError"]
    assert result["content"][0]["text"] == "cannot listen on 8080: nginx has it\nfree it"
    rows = [
        {"displayName": "api", "status": "active", "reason": None, "message": ""},
        {"displayName": "db", "status": "error", "reason": "target-port", "message": "set targetPort to 80"},
    ]
    result = answer(TOOLS["up"], 1, json.dumps({"forwards": rows}), "")
    assert result["content"][0]["text"] == "db: error: target-port: set targetPort to 80"
    assert result["structuredContent"]["forwards"] == rows
    assert answer(TOOLS["up"], 1, "", "words on stderr")["content"][0]["text"] == "words on stderr"
    assert "isError" not in answer(TOOLS["status"], 3, '{"daemon": {"running": false}, "forwards": []}', "")
