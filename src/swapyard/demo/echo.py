"""A websocket that echoes (RFC 6455, as little of it as that takes), so that upgrades can be tried end to end.

Every data frame comes back as it came, fragments included; pings are answered; a close is answered and ends it.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib

GUID = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"  # RFC 6455, section 1.3

CLOSE, PING, PONG = 0x8, 0x9, 0xA


def accept_key(key: str) -> str:
    """`Sec-WebSocket-Accept` for a `Sec-WebSocket-Key` (section 4.2.2)."""
    digest = hashlib.sha1((key + GUID).encode(), usedforsecurity=False).digest()
    return base64.b64encode(digest).decode()


class Echo:
    """The server's side of one websocket, after the request."""

    def __init__(self, transport: asyncio.Transport) -> None:
        self.transport = transport
        self.buffer = bytearray()

    def accept(self, key: str) -> None:
        self.transport.write(
            "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            f"Sec-WebSocket-Accept: {accept_key(key)}\r\n\r\n".encode()
        )

    def feed(self, data: bytes) -> None:
        self.buffer += data
        while (frame := self.next_frame()) is not None:
            first, payload = frame
            match first & 0x0F:
                case 0x8:
                    self.transport.write(framed(first, payload))
                    self.transport.close()
                    return
                case 0x9:
                    self.transport.write(framed(0x80 | PONG, payload))
                case 0xA:
                    pass  # nobody asked for it
                case _:
                    self.transport.write(framed(first, payload))

    def next_frame(self) -> tuple[int, bytes] | None:
        """The first byte and the unmasked payload of the next complete frame (section 5.2), None while it is not whole."""
        buffer = self.buffer
        if len(buffer) < 2:
            return None
        length, at = buffer[1] & 0x7F, 2
        if length >= 126:
            wide = 2 if length == 126 else 8
            if len(buffer) < at + wide:
                return None
            length, at = int.from_bytes(buffer[at : at + wide]), at + wide
        masked = bool(buffer[1] & 0x80)
        end = at + (4 if masked else 0) + length
        if len(buffer) < end:
            return None
        payload = bytes(buffer[at + 4 : end]) if masked else bytes(buffer[at:end])
        if masked:
            payload = unmask(payload, bytes(buffer[at : at + 4]))
        first = buffer[0]
        del buffer[:end]
        return first, payload


def unmask(payload: bytes, key: bytes) -> bytes:
    """XOR with the repeated key, in one go on big integers."""
    repeated = (key * (len(payload) // 4 + 1))[: len(payload)]
    return (int.from_bytes(payload) ^ int.from_bytes(repeated)).to_bytes(len(payload))


def framed(first: int, payload: bytes) -> bytes:
    """A frame from the server: not masked (section 5.1)."""
    size = len(payload)
    if size < 126:
        return bytes((first, size)) + payload
    if size < 1 << 16:
        return bytes((first, 126)) + size.to_bytes(2) + payload
    return bytes((first, 127)) + size.to_bytes(8) + payload
