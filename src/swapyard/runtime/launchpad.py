"""How a model of one configuration is run: launch specification, connection pool, graces. A reload makes a new launchpad;
runs that go on keep the one that they came from."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from urllib.parse import quote, urlsplit

from swapyard.config.schema import Config, Model, Peer, Timeouts
from swapyard.core.messages import Event, RunId
from swapyard.http.forward_proxy import ForwardProxy
from swapyard.http.tls import server_verification
from swapyard.http.upstream import Limits, Upstream
from swapyard.observe.lines import Level, in_lines
from swapyard.observe.logs import Logs
from swapyard.runtime.engine import RunProcess
from swapyard.runtime.launchers import Launcher
from swapyard.runtime.supervisor import RunSpec, Supervisor

AS_WRITTEN = "!$%&'()*+,/:;=?@~"  # of a URL's path and query; what else stands there, like a blank, is escaped


class ConfiguredLaunchpad:
    """`split`: how a command line becomes arguments on this platform (`cmdStop` is split here, `cmd` when it was loaded)."""

    def __init__(self, config: Config, launcher: Launcher, logs: Logs, split: Callable[[str], Sequence[str]]) -> None:
        self._config = config
        self._launcher = launcher
        self._logs = logs
        self._split = split

    def supervise(self, run: RunId, model: str, notify: Callable[[Event], None]) -> Supervisor:
        logger = self._logs.proxy_logger()

        def log(level: str, text: str) -> None:
            for line in in_lines(text):
                logger.log(Level.named(level), "<%s> %s", model, line)

        return Supervisor(
            run,
            self._spec(model),
            self._launcher,
            notify=notify,
            output=self._logs.upstream_writer(model),
            log=log,
        )

    def _spec(self, name: str) -> RunSpec:
        model = self._config.models[name]
        return RunSpec(
            model=name,
            argv=model.argv,
            proxy=model.proxy,
            stop_argv=tuple(self._split(model.cmd_stop)) if model.cmd_stop.strip() else (),
            env=model.env,
            check_endpoint=model.check_endpoint,
            health_timeout=self._config.health_check_timeout,
            port=model.port,
        )

    def upstream(self, model: str, process: RunProcess) -> Upstream:
        """The pool for a run that is ready, at the address where it answered its check."""
        config = self._config.models[model]
        return make_upstream(config, process.address, asyncio.get_running_loop())

    def grace(self, model: str) -> float:
        return float(self._config.models[model].unload_timeout)


def peer_upstream(peer: Peer, loop: asyncio.AbstractEventLoop) -> Upstream:
    return make_upstream(peer, None, loop, via=ForwardProxy.for_url(peer.proxy))


def make_upstream(
    server: Model | Peer,
    address: tuple[str, int] | None,
    loop: asyncio.AbstractEventLoop,
    *,
    via: ForwardProxy | None = None,
) -> Upstream:
    """The pool for what a model's or a peer's `proxy` says. `address` None: nobody has answered there yet (there was no
    check), so the name is looked up with each connection."""
    url = urlsplit(server.proxy)
    tls = server_verification() if url.scheme == "https" else None
    host = url.hostname or "localhost"
    port = url.port or (443 if tls else 80)
    return Upstream(
        address[0] if address else host,
        address[1] if address else port,
        loop=loop,
        limits=limits_of(server.timeouts),
        tls=tls,
        server_name=host if tls else None,
        base_path=quote(url.path, safe=AS_WRITTEN).encode(),
        base_query=quote(url.query, safe=AS_WRITTEN).encode(),
        via=via,
    )


def limits_of(timeouts: Timeouts) -> Limits:
    return Limits(
        connect=timeouts.connect,
        keepalive=timeouts.keepalive,
        response_header=timeouts.response_header,
        tls_handshake=timeouts.tls_handshake,
        idle=timeouts.idle_conn,
    )
