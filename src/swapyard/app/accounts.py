"""Who keeps account of requests: made at the start, changed by reloads without losing a row, written out at the end."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Sequence

from swapyard.config.schema import Config
from swapyard.core.lifecycle import State
from swapyard.core.messages import StopReason
from swapyard.errors import ConfigError
from swapyard.observe.activity import ActivityStore, StoreError
from swapyard.observe.bus import Bus
from swapyard.observe.captures import Captures
from swapyard.observe.history import Change
from swapyard.observe.inflight import InFlight
from swapyard.observe.logs import Logger
from swapyard.observe.metrics import Metrics, ModelNow
from swapyard.observe.swaps import Swaps
from swapyard.observe.tracing import tracing_asked_for
from swapyard.proxy.endpoints import TABLE
from swapyard.proxy.recorder import Recorder
from swapyard.runtime.engine import Engine, Transition
from swapyard.runtime.threads import in_daemon_thread

MEBIBYTE = 1024 * 1024
TOLD_ONE_BY_ONE = 20  # rows of one batch; of more, viewers are told of the last: it makes them fetch again all the same


class Accounts:
    def __init__(self, config: Config, *, engine: Engine, bus: Bus, log: Logger, loop: asyncio.AbstractEventLoop) -> None:
        """Opens the store: blocks for a moment. Raises ConfigError where `store.path` cannot be one."""
        self._engine = engine
        self._bus = bus
        self._log = log
        self._loop = loop
        self._config = config
        self._models: frozenset[str] = known_models(config)
        self._swaps = Swaps()
        self.recorder = Recorder(
            engine=engine,
            inflight=InFlight(bus, loop),
            store=self._store(config),
            captures=self._captures(config),
            metrics=Metrics(models=Known(lambda: self._models), routes={row.forward_path for row in TABLE}, now=self._now),
            tracing=tracing_asked_for(os.environ, self._warn),
            session_headers=session_headers(config),
        )

    # --- reload ---

    async def prepare(self, new: Config) -> Callable[[], None]:
        """Does what can fail, and returns what makes the change. Raises ConfigError."""
        old, recorder = self._config, self.recorder
        captures, store = recorder.captures, recorder.store
        if _path(new) != _path(old):
            store = await in_daemon_thread(lambda: self._store(new), "open the activity store")
        if new.capture_buffer != old.capture_buffer or store is not recorder.store:  # they go by the ids of its rows
            captures = self._captures(new)

        def change() -> None:
            recorder.settle()
            self._config = new
            self._models = known_models(new)
            was_captures, was_store = recorder.captures, recorder.store
            recorder.captures, recorder.store = captures, store
            recorder.session_headers = session_headers(new)
            store.keep(new.metrics_max_in_memory, _retention(new))
            if was_captures is not captures:
                was_captures.close()
            if was_store is not store:
                self._loop.run_in_executor(None, was_store.close)

        return change

    async def close(self) -> None:
        """Writes what is not written yet."""
        self.recorder.close()
        self.recorder.inflight.close()
        self.recorder.captures.close()
        await in_daemon_thread(self.recorder.store.close, "close the activity store")
        if self.recorder.tracing is not None:
            await in_daemon_thread(self.recorder.tracing.close, "send the last traces")

    # --- models ---

    def keep(self, change: Change) -> None:
        """For the time after a restart."""
        self.recorder.store.note(change)

    def changed(self, change: Transition) -> None:
        """An observer of the engine."""
        metrics = self.recorder.metrics
        self._note_swap(change)
        if change.state is State.READY and change.seconds is not None:
            metrics.loaded(change.model, change.seconds)
        elif change.reason is not None:
            metrics.stopped(change.model, change.reason.value)
            if change.reason is StopReason.START_FAILED:
                metrics.load_failed(change.model)
        self.recorder.changed(change)

    def _note_swap(self, change: Transition) -> None:
        swaps, model, now = self._swaps, change.model, self._loop.time()
        match change.state:
            case State.STOPPING:
                if change.reason is StopReason.EVICTED and change.for_model is not None:
                    swaps.stopping(model, change.for_model, now)
            case State.STOPPED:
                swaps.stopped(model, now)
            case State.STARTING:
                swaps.starting(model, now)
            case State.READY:
                if (seconds := swaps.ready(model, now)) is not None:
                    self.recorder.metrics.swapped(model, seconds)

    def metrics(self) -> Metrics:
        """With all requests that are over by now."""
        self.recorder.settle()
        self.recorder.count()
        return self.recorder.metrics

    def inflight(self) -> object:
        """The requests under way, as they stand now."""
        self.recorder.refresh()
        return self.recorder.inflight.snapshot()

    def _now(self) -> Sequence[ModelNow]:
        scheduler = self._engine.scheduler
        return [
            ModelNow(model, scheduler.state(model).value, scheduler.serving(model), scheduler.waiting(model))
            for model in self._config.models
        ]

    # --- parts ---

    def _captures(self, config: Config) -> Captures:
        return Captures(config.capture_buffer * MEBIBYTE, warn=self._warn)

    def _store(self, config: Config) -> ActivityStore:
        try:
            return ActivityStore(
                _path(config),
                max_in_memory=config.metrics_max_in_memory,
                retention=_retention(config),
                warn=self._warn,
                stored=self._stored,
                has_capture=self._has_capture,
            )
        except StoreError as error:
            raise ConfigError([f"store.path: {error}"]) from None

    def _has_capture(self, row: int) -> bool:
        return self.recorder.captures.has(row)

    def _warn(self, line: str) -> None:
        self._log.warning("%s", line)

    def _stored(self, rows: Sequence[int]) -> None:
        """On the writer's thread."""
        try:
            self._loop.call_soon_threadsafe(self._tell, rows)
        except RuntimeError:
            return  # the loop is closed

    def _tell(self, rows: Sequence[int]) -> None:
        for row in rows if len(rows) <= TOLD_ONE_BY_ONE else rows[-1:]:
            self._bus.publish("activity", {"id": row})


class Known:
    """A set that may be another one tomorrow."""

    def __init__(self, names: Callable[[], frozenset[str]]) -> None:
        self._names = names

    def __contains__(self, name: object) -> bool:
        return name in self._names()


def _path(config: Config) -> str | None:
    return config.store.path if config.store is not None else None


def _retention(config: Config) -> float:
    return config.store.retention if config.store is not None else 0.0


def known_models(config: Config) -> frozenset[str]:
    """What a row may name as its model."""
    offers = [(peer_id, model) for peer_id, peer in config.peers.items() for model in peer.models]
    return frozenset([*config.models, *(model for _, model in offers), *(f"{peer}/{model}" for peer, model in offers)])


def session_headers(config: Config) -> tuple[bytes, ...]:
    return tuple(name.lower().encode() for name in config.session_headers)
