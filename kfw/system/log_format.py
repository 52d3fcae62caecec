"""Log records as text: whatever is logged, with its traceback, holds no secret and has an end."""

import logging

from kfw.secret import redact
from kfw.short_paths import with_short_paths

#: Characters of one record; a traceback of a deep recursion would be longer.
LONGEST = 32 * 1024


class RedactingFormatter(logging.Formatter):
    """For every handler: what is logged may quote an exception that quotes a header."""

    def format(self, record: logging.LogRecord) -> str:
        return with_short_paths(redact(super().format(record)[:LONGEST]))
