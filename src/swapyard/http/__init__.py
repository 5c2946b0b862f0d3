"""HTTP/1.1 at protocol level, towards clients (`server`) and towards upstreams (`upstream`).

`headers` holds the data that both sides share, `websocket` splices two sockets after an upgrade, `asgi` hands a request to
an ASGI app, `tls` keeps certificates fresh. Parsing is llhttp's in its strict mode (through httptools): ambiguous framing
is refused there. Nothing in this package knows of models, configuration or scheduling; `proxy` brings those in.
"""
