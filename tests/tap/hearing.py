"""What a tap's conversation makes of bytes, cut into pieces wherever a test likes."""

from collections.abc import Iterable

from kfw.protocol import TapEvent
from kfw.tap.conversation import Conversation
from kfw.tap.exchange import Exchange

CLIENT, SERVER = "client", "server"
#: Who said what, in its order.
Said = Iterable[tuple[str, bytes]]


def heard(said: Said, *, keep: int = 1000, piece: int = 1_000_000, why: str = "") -> list[Exchange]:
    """One connection, whole; each second something comes."""
    conversation = Conversation(TapEvent(connection=1, kind="opened", time=0.0, client="127.0.0.1:5"), keep)
    found, at = [], 0.0
    for who, data in said:
        for start in range(0, len(data), piece):
            at += 1.0
            part = data[start : start + piece]
            found += conversation.hear(TapEvent(connection=1, kind=who, time=at, data=part))
    return found + list(conversation.hear(TapEvent(connection=1, kind="closed", time=at + 1.0, why=why)))
