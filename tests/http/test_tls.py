"""TLS towards clients: real handshakes, and a certificate that is replaced while it serves."""

from __future__ import annotations

import asyncio
import shutil
import ssl
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from swapyard.errors import ConfigError
from swapyard.http.tls import Certificate

if TYPE_CHECKING:
    from tests.http.conftest import OpenSite

pytestmark = pytest.mark.skipif(shutil.which("openssl") is None, reason="openssl makes the certificates")
GET = b"GET /a HTTP/1.1\r\nHost: x\r\n\r\n"


def make(folder: Path, name: str, *options: str) -> tuple[Path, Path]:
    """A certificate for `name`, signed by itself, and its key."""
    cert, key = folder / f"{name}.pem", folder / f"{name}.key"
    command = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-days", "2"]
    options = options or ("-nodes",)
    out = ["-subj", f"/CN={name}", "-addext", f"subjectAltName=DNS:{name}", "-out", str(cert), "-keyout", str(key)]
    subprocess.run([*command, *options, *out], check=True, capture_output=True)
    return cert, key


async def talk(port: int, name: str, cert: Path) -> bytes:
    """A request over TLS to a server that must be `name`. Raises SSLError where it is not."""
    context = ssl.create_default_context(cafile=str(cert))
    reader, writer = await asyncio.open_connection("127.0.0.1", port, ssl=context, server_hostname=name)
    try:
        writer.write(GET + b"POST /b HTTP/1.1\r\nHost: x\r\nContent-Length: 300000\r\n\r\n" + b"x" * 300_000)
        answer = await asyncio.wait_for(reader.readuntil(b"GET /a "), 10)
        assert len(await asyncio.wait_for(reader.readuntil(b"x" * 300_000), 10)) > 300_000
        return answer
    finally:
        writer.close()
        await writer.wait_closed()


async def test_a_real_handshake(open_site: OpenSite, tmp_path: Path) -> None:
    cert, key = make(tmp_path, "one.test")
    async with open_site(ssl=Certificate(cert, key).context) as site:
        assert (await talk(site.port, "one.test", cert)).startswith(b"HTTP/1.1 200 OK")


async def test_a_new_certificate_is_used_from_the_next_handshake_on(open_site: OpenSite, tmp_path: Path) -> None:
    one, two = make(tmp_path, "one.test"), make(tmp_path, "two.test")
    cert, key = tmp_path / "cert.pem", tmp_path / "key.pem"
    shutil.copy(one[0], cert)
    shutil.copy(one[1], key)
    certificate = Certificate(cert, key)
    async with open_site(ssl=certificate.context) as site:
        assert await talk(site.port, "one.test", one[0])
        shutil.copy(two[0], cert)
        with pytest.raises(ConfigError, match=r"key\.pem"):  # half of the pair: refused, and nothing changes
            certificate.reload()
        assert await talk(site.port, "one.test", one[0])
        shutil.copy(two[1], key)
        certificate.reload()
        assert await talk(site.port, "two.test", two[0])


async def test_a_refusal_over_tls_ends_the_connection(open_site: OpenSite, tmp_path: Path) -> None:
    cert, key = make(tmp_path, "one.test")
    async with open_site(ssl=Certificate(cert, key).context) as site:
        context = ssl.create_default_context(cafile=str(cert))
        reader, writer = await asyncio.open_connection("127.0.0.1", site.port, ssl=context, server_hostname="one.test")
        writer.write(b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        assert (await asyncio.wait_for(reader.read(), 20)).endswith(b"GET / ")
        writer.close()
        await writer.wait_closed()


@pytest.mark.parametrize("what", ["no cert", "no key", "junk", "a password"])
def test_files_that_cannot_be_used_are_named(tmp_path: Path, what: str) -> None:
    cert, key = make(tmp_path, "one.test", *(["-passout", "pass:secret"] if what == "a password" else []))
    if what == "no cert":
        cert.unlink()
    elif what == "no key":
        key.unlink()
    elif what == "junk":
        key.write_text("junk")
    with pytest.raises(ConfigError, match=r"one\.test"):
        Certificate(cert, key)
