"""A machine without room for another file: of this process (EMFILE, from a zone on), of all (ENFILE), or in its memory."""

import errno
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from kfw.system.open_files import OpenFiles, Use

ERRNOS = (errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM)


@contextmanager
def no_room(number: int = errno.EMFILE, *, but_for: Use | None = None) -> Iterator[None]:
    """Also not for tests: they connect before. `but_for`: this use, and those that are more important, have room."""
    real = socket.socket

    class Refused(real):  # type: ignore[misc, valid-type]
        def __init__(self, *args: object, fileno: int | None = None, **more: object) -> None:
            if fileno is None:
                raise OSError(number, os.strerror(number))
            super().__init__(*args, fileno=fileno, **more)

    def no_pipe() -> tuple[int, int]:
        raise OSError(number, os.strerror(number))

    with pytest.MonkeyPatch.context() as patch:
        if but_for is not None:
            patch.setattr(OpenFiles, "_is_free_for", lambda self, number, use: use <= but_for)
        elif number == errno.EMFILE:
            patch.setattr(OpenFiles, "_is_free_for", lambda self, number, use: False)
        else:
            patch.setattr(socket, "socket", Refused)
            patch.setattr(os, "pipe", no_pipe)
        yield
