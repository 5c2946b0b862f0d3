"""Why no connection could be opened, in words that tell what to look at."""

from __future__ import annotations

import os
import re
import socket
import ssl

# What can be raised by opening a connection: ValueError by names and addresses that are none, OverflowError by ports.
NOT_CONNECTED = (OSError, ValueError, OverflowError)
_ERRNO = re.compile(r"\[Errno (\d+)\]")


def problem(failure: Exception) -> str:
    """What stood in the way, as the end of a sentence behind a colon."""
    match failure:
        case ssl.SSLCertVerificationError():
            return f"its TLS certificate is not accepted ({failure.verify_message.rstrip('.')})"
        case ssl.SSLError(reason="WRONG_VERSION_NUMBER"):
            return "it does not speak TLS there (http instead of https?)"
        case ssl.SSLError():
            return f"TLS failed ({(failure.reason or str(failure)).replace('_', ' ').lower()})"
        case socket.gaierror():
            return f"its name cannot be resolved ({failure.strerror})"
        case ConnectionRefusedError():
            return "the connection was refused (is it running there?)"
        case ConnectionAbortedError() if "handshake" in str(failure):
            return "the TLS handshake took too long"
        case ConnectionResetError():
            return "it closed the connection at once"
        case UnicodeError():
            return "its name is no host name"
    return _cause(failure)


def _cause(failure: Exception) -> str:
    """Of several addresses that were tried in vain, asyncio tells all causes in one text; often they are the same."""
    codes = set(_ERRNO.findall(str(failure)))
    if len(codes) == 1:
        return os.strerror(int(codes.pop())).lower()
    return str(failure) or type(failure).__name__
