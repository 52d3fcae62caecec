import asyncio
import hashlib

import pytest

from kfw.sandbox.manifests import deployment, port, service
from kfw.sandbox.sandbox import Sandbox
from tests.sandbox.talk import ask, close, connect, get

pytestmark = pytest.mark.asyncio


async def with_app(sandbox: Sandbox, name: str, image: str) -> None:
    sandbox.apply(deployment("demo", name, image, ports={name: 7000}))
    sandbox.apply(service("demo", name, port(70, name)))
    await sandbox.settled()


async def test_http_names_the_pod_the_path_and_the_port(sandbox: Sandbox) -> None:
    reply = await get(sandbox, "web", "/x?y=1")
    assert reply.json.items() >= {"app": "web", "namespace": "demo", "path": "/x?y=1", "port": 8080}.items()


async def test_http_keeps_a_connection_alive(sandbox: Sandbox) -> None:
    reader, writer = await connect(sandbox, "web")
    told = {(await ask(reader, writer, "GET", "/")).json["pod"] for _ in range(3)}
    await close(writer)
    assert len(told) == 1


async def test_http_sends_as_many_bytes_as_are_asked_for(sandbox: Sandbox) -> None:
    assert len((await get(sandbox, "web", "/bytes?n=1000003")).body) == 1000003


async def test_http_tells_what_was_sent_to_it(sandbox: Sandbox) -> None:
    reader, writer = await connect(sandbox, "web")
    body = bytes(range(256)) * 1000
    told = (await ask(reader, writer, "POST", "/", body=body)).json
    await close(writer)
    assert (told["bytes"], told["sha256"]) == (len(body), hashlib.sha256(body).hexdigest())


async def test_http_answers_late_and_with_any_status(sandbox: Sandbox) -> None:
    loop = asyncio.get_running_loop()
    began = loop.time()
    assert (await get(sandbox, "web", "/slow?ms=50")).code == 200
    assert loop.time() - began >= 0.05
    assert (await get(sandbox, "web", "/status/503")).code == 503
    assert (await get(sandbox, "web", "/healthz")).body == b"ok"


async def test_what_is_no_http_is_a_bad_request(sandbox: Sandbox) -> None:
    reader, writer = await connect(sandbox, "web")
    writer.write(b"hello\r\n\r\n")
    assert (await reader.readline()).startswith(b"HTTP/1.1 400")
    await close(writer)


async def test_tls_serves_http_with_a_certificate_of_its_own(sandbox: Sandbox) -> None:
    await with_app(sandbox, "safe", "kfw/tls")
    assert (await get(sandbox, "safe", tls=True)).json["app"] == "safe"


async def test_a_client_without_tls_does_not_disturb_the_tls_pod(sandbox: Sandbox) -> None:
    await with_app(sandbox, "safe", "kfw/tls")
    reader, writer = await connect(sandbox, "safe")
    writer.write(b"GET / HTTP/1.1\r\n\r\n")
    assert b"HTTP" not in await reader.read()
    writer.close()
    assert (await get(sandbox, "safe", tls=True)).code == 200


async def test_echo_answers_to_the_end_after_a_half_close(sandbox: Sandbox) -> None:
    await with_app(sandbox, "echo", "kfw/echo")
    reader, writer = await connect(sandbox, "echo")
    data = b"x" * 300_000
    writer.write(data)
    writer.write_eof()
    assert await reader.read() == data
    await close(writer)


async def test_digest_answers_only_when_the_client_has_ended(sandbox: Sandbox) -> None:
    await with_app(sandbox, "digest", "kfw/digest")
    reader, writer = await connect(sandbox, "digest")
    writer.write(b"abc" * 100)
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(reader.readline(), 0.05)
    writer.write_eof()
    assert (await reader.read()).decode().split() == ["300", hashlib.sha256(b"abc" * 100).hexdigest()]
    await close(writer)


async def test_the_greeter_speaks_first_and_then_repeats(sandbox: Sandbox) -> None:
    reader, writer = await connect(sandbox, "db")
    assert await reader.readline() == b"hello from db-0\n"
    writer.write(b"and you\n")
    assert await reader.readline() == b"and you\n"
    await close(writer)


async def test_an_image_that_is_not_there_is_said_so(sandbox: Sandbox) -> None:
    sandbox.apply(deployment("demo", "other", "nginx:1.29", ports={"http": 80}))

    def waiting() -> bool:
        pods = [pod for pod in sandbox.list("pods", "demo") if pod["metadata"]["name"].startswith("other")]
        states = [one["state"] for pod in pods for one in pod["status"].get("containerStatuses", [])]
        return any(state.get("waiting", {}).get("reason") == "ImagePullBackOff" for state in states)

    await sandbox.until(waiting)
    said = [event["message"] for event in sandbox.list("events", "demo") if event["reason"] == "Failed"]
    assert said[0].startswith('the sandbox has no image "nginx:1.29", only kfw/http')
