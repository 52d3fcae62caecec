"""A file that a kubeconfig names (a token, a certificate, a key, a CA): read again when it may have changed."""

import asyncio
import logging
import os

from kfw.kubeconfig.entries import Pem
from kfw.system.files import read_outside

log = logging.getLogger(__name__)

#: Seconds that what was read counts as what is there, so that a hundred dials at once read it once.
LIFE = 1.0


class OutsideFile:
    """Content that is inline is never read; of a file the last good content serves while reading it fails.

    The content is compared, not the file's time: it may be renewed in place within one tick of the clock.
    """

    def __init__(self, source: Pem) -> None:
        self._source = source
        self._content: bytes | None = source.data
        self._read_at = float("-inf")
        self._complained = False

    @property
    def is_file(self) -> bool:
        return self._source.data is None and self._source.file is not None

    async def read(self) -> bytes:
        """b"" where nothing is named. Off the event loop and bounded. Raises OSError if it has never been read."""
        if not self.is_file or self._is_fresh():
            return self._content or b""
        assert self._source.file
        try:
            self._content = await read_outside(self._source.file)
        except OSError as error:
            if self._content is None:
                raise
            self._complain(error)
        else:
            self._complained = False
        self._read_at = asyncio.get_running_loop().time()
        return self._content

    def forget_age(self) -> None:
        """The next `read` looks at the file, however soon it comes."""
        self._read_at = float("-inf")

    def _is_fresh(self) -> bool:
        return self._content is not None and asyncio.get_running_loop().time() - self._read_at < LIFE

    def _complain(self, error: OSError) -> None:
        if not self._complained:
            self._complained = True
            words = error.strerror or os.strerror(error.errno or 0)
            log.warning("cannot read %s now: %s; what it held before goes on", self._source.file, words)
