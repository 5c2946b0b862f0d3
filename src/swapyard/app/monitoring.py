"""What watches the machine, wired: samples, the hardware snapshot, Prometheus' text. Made in a thread after the listener, as
the imports take a while. What is counted of requests and models is `app.accounts`' business.
"""

from __future__ import annotations

import asyncio
import copy
from collections.abc import Callable

from swapyard.config.schema import Config
from swapyard.observe.logs import Logger
from swapyard.observe.memory import MemoryLog
from swapyard.observe.metrics import Metrics
from swapyard.observe.system.hardware.lookup import Hardware
from swapyard.observe.system.hardware.snapshot import Snapshot
from swapyard.observe.system.sampling import Sampling
from swapyard.runtime.threads import in_daemon_thread

LAST_SAMPLES = 1.0  # seconds for each sampling thread to end, at most


class Monitoring:
    """Made anywhere; the rest on the event loop."""

    def __init__(self, log: Logger, version: str, metrics: Callable[[], Metrics]) -> None:
        """`version`: of Swapyard. `metrics`: what a scrape tells besides the machine; asked on the loop."""
        self.sampling = Sampling(log)
        self.memory = MemoryLog()
        self._metrics = metrics
        self._hardware = Hardware(lambda: _capture(version), lambda text: log.warning("%s", text))

    def configure(self, config: Config) -> None:
        """Begins, restarts or ends sampling, where the settings are others than before."""
        self.sampling.configure(config.performance)
        self.memory.keep(config.models)

    async def hardware(self) -> Snapshot | None:
        return await self._hardware.snapshot()

    async def prometheus(self) -> bytes:
        """The answer to a scrape. With many models its text takes a while, so a thread writes it; how the models stand is
        asked for here, on the loop."""
        metrics = self._metrics()
        now = tuple(metrics.now())
        scrape = copy.copy(metrics)
        scrape.now = lambda: now
        scrape.machine = self.sampling.machine
        return await asyncio.to_thread(scrape.text)

    def stop(self) -> None:
        """At once, from any thread: no more samples, and no tool runs on."""
        self.sampling.stop()

    async def join(self) -> None:
        await in_daemon_thread(lambda: self.sampling.join(LAST_SAMPLES), "end sampling")


def _capture(version: str) -> Snapshot:
    from swapyard.observe.system.hardware.capture import capture  # half a megabyte that few ever need

    return capture(version)
