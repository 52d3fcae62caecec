"""The page is off until somebody asks for it, at one port, and off again with every browser logged out."""

import os
import socket
from contextlib import closing

import pytest

from kfw.daemon.web_page import WebPage
from kfw.errors import PortInUse, UsageError
from kfw.http.messages import Request, Response
from kfw.protocol import WebRequest


async def _stub_api(_: Request) -> Response:
    return Response()


def answers(port: int) -> bool:
    with closing(socket.socket()) as sock:
        return sock.connect_ex(("127.0.0.1", port)) == 0


@pytest.mark.asyncio
async def test_it_is_served_from_the_first_request_on_and_each_link_is_another_one() -> None:
    page = WebPage(_stub_api)
    assert page.address is None
    first = page.open(WebRequest(port=0))
    port = int(first.address.rpartition(":")[2])
    for asked in (None, 0, port):
        again = page.open(WebRequest(port=asked))
        assert again.address == first.address == page.address
        assert again.url.startswith(f"http://127.0.0.1:{port}/#token=")
        assert again.url != first.url
    assert answers(port)
    await page.close()
    assert page.address is None
    assert not answers(port)
    await page.close()


@pytest.mark.asyncio
async def test_it_is_at_one_port_and_a_taken_one_names_its_holder() -> None:
    page = WebPage(_stub_api)
    with closing(socket.create_server(("127.0.0.1", 0))) as taken:
        with pytest.raises(PortInUse, match="has it"):
            page.open(WebRequest(port=taken.getsockname()[1]))
        assert page.address is None
        page.open(WebRequest())  # the usual one, or one nearby
        with pytest.raises(UsageError, match="already"):
            page.open(WebRequest(port=taken.getsockname()[1]))
    await page.close()


@pytest.mark.asyncio
async def test_what_one_daemon_gives_another_goes_on_with_at_the_same_port_and_without_it_nothing_is_given() -> (
    None
):
    before, after = WebPage(_stub_api), WebPage(_stub_api)
    assert before.give() == (None, [])
    opened = before.open(WebRequest(port=0, kubeconfig="/k", environ={"TOKEN": "abc"}))
    page, [number] = before.give()
    assert page
    assert "abc" not in repr(page)
    inherited = socket.socket(fileno=os.dup(number))
    await before.leave()
    assert before.address is None
    after.take_over(page, inherited)
    assert after.address == opened.address
    assert answers(page.port)
    again, _ = after.give()
    assert again
    assert (again.kubeconfig, again.environ) == ("/k", {"TOKEN": "abc"})
    assert [token for token, _ in again.tokens] == [token for token, _ in page.tokens]
    after.resume()
    await after.close()
    assert not answers(page.port)


@pytest.mark.asyncio
@pytest.mark.parametrize("port", [-1, 65536])
async def test_what_is_no_port_is_refused(port: int) -> None:
    page = WebPage(_stub_api)
    with pytest.raises(UsageError, match="is not a port"):
        page.open(WebRequest(port=port))
    assert page.address is None
