import base64

import pytest

from kfw.sandbox.api.errors import ApiError
from kfw.sandbox.api.protobuf import decode


def text(number: int, value: bytes) -> bytes:
    return bytes([number << 3 | 2, len(value)]) + value


def number(field: int, value: int) -> bytes:
    return bytes([field << 3, value])


def body(kind: str, *fields: bytes) -> bytes:
    kind_of = text(1, text(1, b"v1") + text(2, kind.encode()))
    return b"k8s\0" + kind_of + text(2, b"".join(fields))


def test_metadata_and_maps_are_read() -> None:
    metadata = text(1, b"a") + text(3, b"demo") + text(11, text(1, b"app") + text(2, b"web"))
    data = text(2, text(1, b"key") + text(2, b"value"))
    assert decode(body("ConfigMap", text(1, metadata), data)) == {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": "a", "namespace": "demo", "labels": {"app": "web"}},
        "data": {"key": "value"},
    }


def test_bytes_are_base64_in_json() -> None:
    data = text(2, text(1, b"key") + text(2, b"\xff\0"))
    assert decode(body("Secret", data))["data"] == {"key": base64.b64encode(b"\xff\0").decode()}


def test_ports_are_numbers_or_names() -> None:
    by_number = text(1, number(3, 80) + text(4, number(1, 0) + number(2, 90)))
    by_name = text(1, number(3, 81) + text(4, number(1, 1) + text(3, b"http")))
    spec = decode(body("Service", text(2, by_number + by_name)))["spec"]
    assert spec["ports"] == [{"port": 80, "targetPort": 90}, {"port": 81, "targetPort": "http"}]


def test_a_field_that_would_be_lost_is_refused_by_name() -> None:
    with pytest.raises(ApiError, match="field 15 of spec") as caught:
        decode(body("Service", text(2, text(15, b"x"))))
    assert caught.value.code == 415


def test_empty_fields_that_are_not_known_mean_nothing() -> None:
    assert decode(body("Service", text(2, text(15, b"") + text(4, b"NodePort"))))["spec"] == {
        "type": "NodePort"
    }


def test_an_unknown_kind_is_refused() -> None:
    with pytest.raises(ApiError, match="of the kind Job") as caught:
        decode(body("Job"))
    assert caught.value.code == 415


@pytest.mark.parametrize("data", [b"k8s\0\x0a\xff", b"k8s\0\xff", b"k8s\0", b"k8s\0\x0d\0\0\0\0"])
def test_bytes_that_are_no_protobuf_are_refused(data: bytes) -> None:
    with pytest.raises(ApiError) as caught:
        decode(data)
    assert caught.value.code == 400
