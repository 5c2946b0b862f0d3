"""Which forward proxy the environment names for a URL."""

from __future__ import annotations

import pytest

from swapyard.http.forward_proxy import ForwardProxy

PROXY = ForwardProxy("proxy.test", 3128)


@pytest.fixture(autouse=True)
def no_proxies(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "https_proxy", "no_proxy", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)


@pytest.mark.parametrize(
    ("environment", "url", "expected"),
    [
        ({}, "http://peer.test", None),
        ({"HTTP_PROXY": "http://proxy.test:3128"}, "http://peer.test/base", PROXY),
        ({"HTTP_PROXY": "http://proxy.test:3128"}, "https://peer.test", None),
        ({"https_proxy": "proxy.test:3128"}, "https://peer.test:8443", PROXY),
        ({"HTTPS_PROXY": "http://proxy.test"}, "https://peer.test", ForwardProxy("proxy.test", 80)),
        (
            {"HTTP_PROXY": "http://me:p%40ss@proxy.test:3128"},
            "http://peer.test",
            ForwardProxy("proxy.test", 3128, b"Basic bWU6cEBzcw=="),
        ),
        ({"HTTP_PROXY": "proxy.test:3128", "NO_PROXY": "other.test,.peer.test"}, "http://a.peer.test", None),
        ({"HTTP_PROXY": "proxy.test:3128", "NO_PROXY": "peer.test:81"}, "http://peer.test:81", None),
        ({"HTTP_PROXY": "proxy.test:3128", "NO_PROXY": "peer.test:81"}, "http://peer.test:82", PROXY),
        ({"HTTP_PROXY": "proxy.test:3128", "NO_PROXY": "*"}, "http://peer.test", None),
        ({"HTTP_PROXY": "proxy.test:3128"}, "http://localhost:81", None),
        ({"HTTP_PROXY": "proxy.test:3128"}, "http://127.3.2.1", None),
        ({"HTTP_PROXY": "proxy.test:3128"}, "http://[::1]:81", None),
        ({"HTTP_PROXY": "proxy.test:3128"}, "http://10.0.0.1", PROXY),
        ({"HTTP_PROXY": "proxy.test:3128", "NO_PROXY": "x/y, 192.168.0.0/16 ,10.1.2.3/8"}, "http://10.9.9.9:81", None),
        ({"HTTP_PROXY": "proxy.test:3128", "NO_PROXY": "192.168.0.0/16"}, "http://192.169.0.1", PROXY),
        ({"HTTP_PROXY": "proxy.test:3128", "NO_PROXY": "10.0.0.0/8,fd00::/8"}, "http://[fd12::1]:81", None),
        ({"HTTP_PROXY": "proxy.test:3128", "NO_PROXY": "0.0.0.0/0"}, "http://peer.test", PROXY),
        ({"HTTP_PROXY": "proxy.test:3128"}, "nonsense", None),
    ],
)
def test_the_environment(
    monkeypatch: pytest.MonkeyPatch, environment: dict[str, str], url: str, expected: ForwardProxy | None
) -> None:
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert ForwardProxy.for_url(url) == expected


@pytest.mark.parametrize("value", ["socks5://proxy.test:1080", "https://proxy.test", "http://", "http://proxy.test:port"])
def test_what_cannot_be_used_is_not_passed_by(monkeypatch: pytest.MonkeyPatch, value: str) -> None:
    """Whoever set a proxy does not want the direct way."""
    monkeypatch.setenv("HTTP_PROXY", value)
    proxy = ForwardProxy.for_url("http://peer.test")
    assert proxy is not None
    with pytest.raises(ConnectionError, match="environment names"):
        proxy.address()
