"""TLS on both sides. The listener's: one context for the life of the process, whose certificate can be replaced while it
serves. Towards servers: one context for all of them."""

from __future__ import annotations

import ssl
from functools import cache
from pathlib import Path

from swapyard.errors import ConfigError

ALPN = ["http/1.1"]


@cache
def server_verification() -> ssl.SSLContext:
    """What https servers are verified with: the system's certificates, or those of `SSL_CERT_FILE` and `SSL_CERT_DIR`, as
    they are when it is first needed. One for all, because it takes 60 ms and a megabyte."""
    context = ssl.create_default_context()
    context.set_alpn_protocols(ALPN)
    return context


class Certificate:
    """A certificate chain and its key, both PEM files. Raises ConfigError naming the file that cannot be used."""

    def __init__(self, cert: Path, key: Path) -> None:
        self._cert = cert
        self._key = key
        self.context = self._load(ssl.create_default_context(ssl.Purpose.CLIENT_AUTH))

    def reload(self) -> None:
        """Takes the files as they are now; connections that are open keep what they have. A pair that does not fit together
        is refused and changes nothing."""
        self._load(ssl.create_default_context(ssl.Purpose.CLIENT_AUTH))
        self._load(self.context)

    def _load(self, context: ssl.SSLContext) -> ssl.SSLContext:
        for path in (self._cert, self._key):
            if not path.is_file():
                raise ConfigError([f"{path}: no such file (TLS needs a certificate and its key, both PEM)"])
        try:
            # Without the third argument OpenSSL would ask the terminal for the password of an encrypted key, and wait.
            context.load_cert_chain(self._cert, self._key, password=b"")
        except (ssl.SSLError, OSError) as error:
            raise ConfigError(
                [f"{self._cert}, {self._key}: not a certificate and its key in PEM format: {error}"]
            ) from error
        context.set_alpn_protocols(ALPN)
        return context
