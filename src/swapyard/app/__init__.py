"""The composition root: wires the parts, serves, reloads, shuts down. Only `cli` imports it.

    accounts       what is kept of requests
    monitoring     what watches the machine
    news           tells of models' changes
    progress       tells of loads under way
    facts          what is known of one model, put together
    neighbours     which models can run beside which
    control_plane  the ASGI app, brought in late
    listening      the event loop, and what is said when an address cannot be had
    leftovers      memory that a peak leaves behind, given back
    signals        what the process is told from outside
    shutdown       the end, in order and within its budget

A reload replaces what is made per configuration (proxy state, launchpad, policy) and nothing else: runs whose definition did
not change go on.
"""

from __future__ import annotations

import asyncio
import gc
import logging
import sys
import time
from collections.abc import Callable, Coroutine, Iterable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from swapyard import __version__
from swapyard.api.status import model_status, origin_of, ui_config
from swapyard.app.accounts import Accounts
from swapyard.app.control_plane import LateControlPlane
from swapyard.app.leftovers import give_back_leftovers
from swapyard.app.listening import listen_problem, new_event_loop
from swapyard.app.news import News
from swapyard.app.progress import Progress
from swapyard.app.shutdown import end_at_once, shut_down, unfinished
from swapyard.app.signals import take_signals
from swapyard.config.command import split_command
from swapyard.config.entry import LLAMA_SERVER, model_entry
from swapyard.config.load import Loaded
from swapyard.config.mask import masked_command
from swapyard.config.schema import Config
from swapyard.config.watch import Watch
from swapyard.core.messages import Ticket
from swapyard.errors import ConfigError, RequestError
from swapyard.http.server import ClientConnection, Server
from swapyard.http.tls import Certificate
from swapyard.observe.bus import Bus
from swapyard.observe.history import History
from swapyard.observe.lines import Asked, Level, in_lines
from swapyard.observe.logs import Logs, StandardLogging
from swapyard.observe.output import standard_output
from swapyard.proxy.endpoints import TABLE
from swapyard.proxy.exchange import Exchange
from swapyard.proxy.gateway import Gateway
from swapyard.proxy.peers import Peers
from swapyard.proxy.replies import render
from swapyard.proxy.rewrite import filter_problems
from swapyard.proxy.state import ProxyState, client_limits
from swapyard.runtime.engine import Engine
from swapyard.runtime.launchers.local import LocalLauncher
from swapyard.runtime.launchpad import ConfiguredLaunchpad, peer_upstream
from swapyard.runtime.loads import Load
from swapyard.runtime.policy import policy_of, replaced_models
from swapyard.runtime.process import reap_strangers
from swapyard.runtime.strategies import origins, scheduler_of
from swapyard.runtime.threads import in_daemon_thread

if TYPE_CHECKING:
    from swapyard.api.services import Build, Services
    from swapyard.app.monitoring import Monitoring

WATCH_EVERY = 2.0
REAP_EVERY = 30.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """What the command line says. `listen`: (host, port), host None = all interfaces; None = decided by the configuration.
    `load` reads the configuration anew, to replace that one (None: there is none yet), and raises ConfigError. `watch` was
    made before the first `load`, so that no change is missed; None: only SIGHUP reloads. `build` finds out which Swapyard
    this is: it blocks for a moment."""

    load: Callable[[Config | None], Loaded]
    listen: tuple[str | None, int] | None = None
    certificate: tuple[Path, Path] | None = None
    watch: Watch | None = None
    build: Callable[[], Build]


class App:
    """One serving process. Made and run on its event loop."""

    def __init__(self, options: Options, loaded: Loaded, loop: asyncio.AbstractEventLoop) -> None:
        config = loaded.config
        self.loop = loop
        self.config = config
        self.origin = origin_of(loaded.sources, watched=options.watch is not None)
        self._options = options
        self.logs = Logs(
            to_stdout=config.log_to_stdout,
            level=config.log_level,
            time_format=config.log_time_format,
            format=config.log_format,
            output=standard_output(),
        )
        self.log = self.logs.proxy_logger()
        logging.basicConfig(handlers=[StandardLogging(self.log)], level=logging.WARNING, force=True)
        self._launcher = LocalLauncher()
        policy = policy_of(config)
        self.engine = Engine(scheduler_of(config.routing.scheduler, policy), self._launchpad(config), loop)
        self.bus = Bus(loop)
        self.history = History()
        self.accounts = Accounts(config, engine=self.engine, bus=self.bus, log=self.log, loop=loop)
        self.history.remember(*self.accounts.recorder.store.past())
        self.news = News(
            log=self.log,
            history=self.history,
            bus=self.bus,
            model_status=lambda: model_status(self.config, self.states()),
            request_of=self._request_of,
            keep=self.accounts.keep,
        )
        self.progress = Progress(self.bus, self.history, loop)
        self.engine.observers += [self.progress.changed, self.news.changed, self.accounts.changed]
        self._control_plane = LateControlPlane(loop)
        self.peers = Peers(lambda peer: peer_upstream(peer, loop))
        peers = self.peers.of(config)
        self.peers.use(peers)
        state = ProxyState(config, self.engine, peers, self.accounts.recorder)
        self.gateway = Gateway(state, self._control_plane, self.spawn)
        self.server = Server(
            loop=loop,
            accept=self.gateway.accept,
            refuse=self.gateway.refuse,
            log_end=self._log_end,
            limits=client_limits(config.http),
        )
        self._certificate = Certificate(*options.certificate) if options.certificate else None
        self._tasks: set[asyncio.Task[Any]] = set()
        self._stopping = asyncio.Event()
        self._reload_asked = asyncio.Event()
        self._housekeeping: list[asyncio.Task[Any]] = []
        self.monitoring: Monitoring | None = None  # it comes with the control plane
        self._signals = 0
        self._warn(loaded)
        self._tell_strategies()

    def _tell_strategies(self) -> None:
        for strategy in origins(self.config):
            self.log.info("%s decides", strategy)

    def _warn(self, loaded: Loaded) -> None:
        for warning in (*loaded.warnings, *filter_problems(loaded.config)):
            self.log.warning("%s", warning)

    def _launchpad(self, config: Config) -> ConfiguredLaunchpad:
        return ConfiguredLaunchpad(config, self._launcher, self.logs, lambda text: split_command(text, sys.platform))

    def _services(self, monitoring: Monitoring, build: Build) -> Services:
        from swapyard.api.services import Services  # like all that is only for the control plane, behind the listener
        from swapyard.app.facts import facts_of
        from swapyard.app.neighbours import Neighbourhood

        neighbourhood = Neighbourhood()
        return Services(
            build=build,
            started=int(time.time()),
            config=lambda: self.config,
            origin=lambda: self.origin,
            names=lambda: self.gateway.state.names,
            logs=self.logs,
            states=self.states,
            facts=lambda model: facts_of(self.engine, self.config, model),
            neighbours=lambda model: neighbourhood.of(self.config, model),
            inflight=self.accounts.inflight,
            queue=self.accounts.recorder.inflight.queue,
            loads=self.progress.now,
            activity=lambda: self.accounts.recorder.store,
            captures=lambda: self.accounts.recorder.captures,
            cancel=self.accounts.recorder.inflight.cancel,
            bus=self.bus,
            history=self.history,
            failures=lambda: self.engine.failures,
            exit_codes=lambda: self.engine.exit_codes,
            load=lambda model: Load(self.engine, model, "by hand"),
            unload=self.engine.unload,
            active_profile=lambda: self.gateway.state.profile,
            activate_profile=self.activate_profile,
            sampling=monitoring.sampling,
            memory=monitoring.memory,
            hardware=monitoring.hardware,
            metrics=monitoring.prometheus,
            mask_command=masked_command,
            model_entry=lambda name, arguments: model_entry(name, LLAMA_SERVER, arguments, sys.platform),
            render_error=render,
            data_plane=tuple(row.path for row in TABLE),
        )

    def states(self) -> Mapping[str, str]:
        scheduler = self.engine.scheduler
        return {model: scheduler.state(model).value for model in scheduler.running()}

    def _request_of(self, ticket: Ticket) -> str:
        waiter = self.engine.waiter(ticket)
        return waiter.request_id if isinstance(waiter, Exchange) else ""

    def activate_profile(self, profile: str | None) -> None:
        """None: no profile is active any more."""
        state = self.gateway.state
        if profile != state.profile:
            self.log.info(
                "profile %s", f"{profile} is active" if profile is not None else f"{state.profile} is no longer active"
            )
            state.activate(profile)
            self.news.profile_changed(profile)

    def spawn(self, work: Coroutine[Any, Any, Any], name: str) -> asyncio.Task[Any]:
        """Runs `work` as a task of this app: it is kept until it ends, and cancelled when the app does."""
        task = self.loop.create_task(work, name=name)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    # --- serving ---

    async def run(self) -> int:
        """Serves until a signal ends it. Returns the exit code: 0, or 1 when it cannot listen."""
        host, port = self._options.listen or self._default_address()
        try:
            listener = await self.loop.create_server(
                self.server,
                host,
                port,
                ssl=self._certificate.context if self._certificate else None,
                backlog=2048,
            )
        except (OSError, UnicodeError) as error:  # UnicodeError: what can be no host name
            self.log.error("cannot listen on %s:%d: %s", host or "", port, listen_problem(error, port))
            self.logs.close()
            return 1
        take_signals(self.loop, stop=self._on_stop_signal, reload=self._reload_asked.set)
        self._announce(host, listener.sockets[0].getsockname()[1])
        self._keep_house()
        self._preload(self.config.preload)
        self.spawn(self._settle(), "load the control plane")
        await self._stopping.wait()
        await shut_down(self, listener)
        return 0

    async def _settle(self) -> None:
        self.monitoring = await asyncio.to_thread(self._make_monitoring)
        if not self._stopping.is_set():
            self.monitoring.configure(self.config)
        build = await asyncio.to_thread(self._options.build)
        await self._control_plane.arrive(self._services(self.monitoring, build))
        gc.collect()
        gc.freeze()  # what is loaded now stays: the collector need not look at it again with every generation

    def _make_monitoring(self) -> Monitoring:
        from swapyard.app.monitoring import Monitoring

        return Monitoring(self.log, __version__, self.accounts.metrics)

    def _keep_house(self) -> None:
        self._housekeeping.append(self.spawn(self._reload_when_asked(), "reload"))
        self._housekeeping.append(self.spawn(self._reap(), "reap"))
        left = give_back_leftovers(is_quiet=lambda: not unfinished(self.server))
        self._housekeeping.append(self.spawn(left, "give memory back"))
        if self._options.watch:
            self._housekeeping.append(self.spawn(self._watch(self._options.watch), "watch the configuration"))

    async def _reap(self) -> None:
        while True:
            await asyncio.sleep(REAP_EVERY)
            reap_strangers()

    def _default_address(self) -> tuple[str | None, int]:
        port = 8443 if self._certificate else 8080
        if self.config.api_keys:
            self.log.info("apiKeys are set, so all interfaces are listened on (--listen 127.0.0.1:%d keeps it local)", port)
            return None, port
        self.log.info("no apiKeys are set, so only this machine can connect (--listen :%d opens it to all)", port)
        return "127.0.0.1", port

    def _announce(self, host: str | None, port: int) -> None:
        scheme = "https" if self._certificate else "http"
        shown = "localhost" if host in (None, "", "0.0.0.0", "::") else host  # noqa: S104 - compared, not bound
        if ":" in (shown or ""):
            shown = f"[{shown}]"
        self.log.info("swapyard %s, listening on %s://%s:%d", __version__, scheme, shown, port)
        if shown == "localhost" and host != "localhost" and not self.config.api_keys:
            self.log.warning("anyone who can reach this machine can use it: set apiKeys, or --listen 127.0.0.1:%d", port)

    def _preload(self, models: Iterable[str]) -> None:
        for model in models:
            self.spawn(self._preload_one(model), f"preload {model}")

    async def _preload_one(self, model: str) -> None:
        try:
            await self.engine.load(model, "as a preload")
        except RequestError as error:
            level = Level.INFO if self._stopping.is_set() else Level.ERROR
            for line in in_lines(f"preload of {model} failed: {error.message}"):
                self.log.log(level, "%s", line)
        else:
            self.log.info("<%s> is preloaded", model)

    # --- what is told ---

    def _log_end(self, connection: ClientConnection, status: int) -> None:
        head = connection.head
        kept = head.kept
        asked = None if kept is None else kept.asked
        if asked is None:
            agent = head.known.get(b"user-agent", b"").decode("latin-1")
            method, path = head.method.decode("latin-1"), head.path.decode("latin-1")
            asked = Asked.by(connection.remote, method, path, "HTTP/" + head.version, agent)
            if kept is not None:
                kept.asked = asked
        self.logs.access(asked, status, connection.bytes_sent, self.loop.time() - head.started, connection.about)

    # --- reload ---

    async def _watch(self, watch: Watch) -> None:
        while True:
            await asyncio.sleep(WATCH_EVERY)
            if await in_daemon_thread(watch.changed, "look at the configuration"):
                self.log.info("the configuration has changed on disk")
                self._reload_asked.set()

    async def _reload_when_asked(self) -> None:
        """One reload at a time. Whatever is asked for during one is done after it, so the last change always counts."""
        while True:
            await self._reload_asked.wait()
            self._reload_asked.clear()
            try:
                await self._reload()
            except ConfigError as error:
                self.log.error("the configuration is not reloaded, the one before goes on:")
                for problem in error.problems:
                    self.log.error("%s", problem)
            except Exception as bug:  # the next reload may do better
                self.loop.call_exception_handler({"message": "the configuration is not reloaded", "exception": bug})

    async def _reload(self) -> None:
        """All that can fail comes first; then the switch, in one go."""
        loaded = await in_daemon_thread(lambda: self._options.load(self.config), "load the configuration")
        if self._certificate is not None:
            await in_daemon_thread(self._certificate.reload, "load the certificate")
        old, new = self.config, loaded.config
        change_accounts = await self.accounts.prepare(new)
        peers = self.peers.of(new)
        state = ProxyState(new, self.engine, peers, self.accounts.recorder)
        policy, launchpad = policy_of(new), self._launchpad(new)
        replaced = replaced_models(old, new)
        self.activate_profile(None)
        self.config = new
        self.origin = origin_of(loaded.sources, watched=self.origin.watched)
        change_accounts()
        self.logs.configure(level=new.log_level, time_format=new.log_time_format, format=new.log_format)
        self.gateway.state = state
        self.server.change_limits(client_limits(new.http))
        self.peers.use(peers)
        if self.monitoring is not None:
            self.monitoring.configure(new)
        scheduler = new.routing.scheduler
        another = partial(scheduler_of, scheduler) if scheduler != old.routing.scheduler else None
        self.engine.change_policy(policy, launchpad, replaced, another)
        self.news.config_changed(ui_config(new, self.origin))
        self._warn(loaded)
        self.log.info(
            "configuration reloaded: %d models%s",
            len(new.models),
            f", changed or gone: {', '.join(sorted(replaced))}" if replaced else ", no running model is affected",
        )
        self._tell_strategies()
        if another is not None:
            self.log.info("the scheduler changes when what it has at hand is done; what comes meanwhile waits")
        if new.log_to_stdout != old.log_to_stdout:
            self.log.warning("logToStdout changes with the next start")
        # What is preloaded already, or was swapped out since, is left as it is.
        self._preload(model for model in new.preload if model in replaced or model not in old.preload)

    # --- shutdown ---

    def _on_stop_signal(self) -> None:
        self._signals += 1
        if self._signals == 1:
            self._stopping.set()
            return
        self.log.warning("told to stop again: everything is killed")
        end_at_once(self.logs)

    async def end_housekeeping(self) -> None:
        for task in self._housekeeping:
            task.cancel()
        await asyncio.gather(*self._housekeeping, return_exceptions=True)

    async def end_tasks(self) -> None:
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)


def serve(options: Options) -> int:
    """Loads and serves. Raises ConfigError when the configuration is wrong from the start."""
    loaded = options.load(None)

    async def main() -> int:
        app = App(options, loaded, asyncio.get_running_loop())
        return await app.run()

    with asyncio.Runner(loop_factory=new_event_loop) as runner:
        return runner.run(main())


__all__ = ["App", "Options", "serve"]
