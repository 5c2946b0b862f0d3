"""The listener's TLS: one context for the life of the process, whose certificate can be replaced while it serves."""

from __future__ import annotations

import ssl
from pathlib import Path

from swapyard.errors import ConfigError


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
        context.set_alpn_protocols(["http/1.1"])
        return context
