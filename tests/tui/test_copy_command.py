"""The command line that a row is copied as."""

from typing import Any

import pytest

from kfw.tui.desktop import command_for
from tests.client.fake_daemon import row


@pytest.mark.parametrize(
    ("more", "command"),
    [
        ({}, "curl http://localhost:8080/"),
        ({"url": "https://localhost:8443", "localPort": 8443}, "curl -k https://localhost:8443/"),
        ({"url": None, "targetPort": 5432, "localPort": 15432}, "psql -h localhost -p 15432"),
        ({"url": "localhost:5432", "targetPort": "postgres", "localPort": 5432}, "psql -h localhost -p 5432"),
        ({"url": None, "targetPort": None, "target": "statefulset/shop-mysql"}, "mysql -h 127.0.0.1 -P 8080"),
        ({"url": None, "targetPort": 6379}, "redis-cli -h localhost -p 8080"),
        ({"url": None, "targetPort": 27017}, "mongosh mongodb://localhost:8080"),
        ({"url": None, "targetPort": "grpc"}, "grpcurl -plaintext localhost:8080 list"),
        ({"url": None, "targetPort": 7000, "endpoint": None}, "nc localhost 8080"),
        ({"url": None, "targetPort": 5432, "localAddresses": ["192.0.2.7"]}, "psql -h 192.0.2.7 -p 8080"),
    ],
)  # fmt: skip
def test_a_row_becomes_the_command_that_speaks_its_protocol(more: dict[str, Any], command: str) -> None:
    assert command_for(row("api") | {"endpoint": None} | more) == command
