"""HTTP/1.1 at protocol level, towards clients and towards upstreams.

    server      what a listener's connections share         upstream             the pool of one address
    client_connection  whose turn it is on one socket       upstream_connection  one exchange at a time on one socket
    reading     bytes to requests, and what is refused      sink                 what is told of a response
    writing     responses to bytes                          websocket            two sockets spliced after a 101
    pipeline    requests that wait for their turn           asgi                 a request handed to an ASGI app
    turns       handlers, and the states of a connection    connecting, forward_proxy  the way to an address
    headers     heads; repeats: those that come again       draining             who has stopped reading
    outgoing    small writes of one pass, made together     sockets, tls         TCP's options; contexts for both sides

Parsing is llhttp's in its strict mode (through httptools). No tasks and no futures on the way of a request: callbacks from
socket to socket. Nothing in this package knows of models, configuration or scheduling; `proxy` brings those in.
"""
