"""Where an exchange stands."""

from __future__ import annotations

from enum import IntEnum
from typing import Final


class Phase(IntEnum):
    RECEIVING = 0
    WAITING = 1
    CONNECTING = 2
    SENT = 3
    ANSWERING = 4
    TUNNEL = 5
    OVER = 6


# Members as plain names, because the attribute of an Enum costs as much as a method call.
RECEIVING: Final = Phase.RECEIVING
WAITING: Final = Phase.WAITING
CONNECTING: Final = Phase.CONNECTING
SENT: Final = Phase.SENT
ANSWERING: Final = Phase.ANSWERING
TUNNEL: Final = Phase.TUNNEL
OVER: Final = Phase.OVER
