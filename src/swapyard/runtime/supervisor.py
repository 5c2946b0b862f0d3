"""One run from spawn to exit: start it, watch it become ready, stay with it, stop it, see all of it gone.

    STARTING --- ready ----------> READY
       |  \\                        |  |
       |   stop asked / failed      |  stop asked / first process died
       |               \\           |  |
       |                v           v  v
       |               STOPPING <---+--+
       +-- gone -----> OVER <------ gone

What counts as alive when the first process (often a wrapper script) is gone and others of its tree remain:

* It left with 0: it handed over. A starting run is still awaited, a ready one lives on until the last member is gone.
* It left with anything else: it crashed. The rest is torn down: SIGTERM, and SIGKILL after a grace.

The supervisor decides when; how to signal and whom is the launcher's. It knows no scheduler: it reports
`BecameReady` or `Failed` at most once and `Exited` exactly once and last, and takes `stop` and `kill` at any time.
"""

from __future__ import annotations

import asyncio
import math
import shlex
import signal
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, TypeGuard

from swapyard.core.messages import BecameReady, Event, Exited, Failed, RunId, StartError
from swapyard.runtime.last_words import LastWords
from swapyard.runtime.launchers import Launcher, LaunchError, LaunchSpec, Process
from swapyard.runtime.listeners import owner_of, somebody_accepts
from swapyard.runtime.readiness import Address, Check, ReadinessWatch, check_for

FAILURE_GRACE = 5.0  # seconds for a run that crashed or was not ready in time
REST_GRACE = 2.0  # seconds for the rest of a tree whose first process has ended as it was asked to
OUTPUT_GRACE = 1.0  # seconds for the pipe to end once the tree is gone; whoever holds it then is none of ours
LAST_WORDS_GRACE = 0.2  # seconds to read what a process wrote just before it died
# Where something answered before the spawn, a 200 proves little: the port may be a stranger's, and ours about to find out.
SUSPICION = 1.0  # seconds from the spawn; llama-server gives up on a taken port within 15 ms
SHORTEST_PAUSE = 0.01  # between two looks at a tree without its first process, whose exit the system would tell
LONGEST_PAUSE = 0.25


@dataclass(frozen=True, slots=True, kw_only=True)
class RunSpec:
    """How a model is run. `stop_argv` is the split `cmdStop`, with "${PID}" standing inside its arguments, () = none.
    `health_timeout` is in seconds from the spawn. `port` is the one that Swapyard assigned, None = it did not."""

    model: str
    argv: tuple[str, ...]
    proxy: str
    stop_argv: tuple[str, ...] = ()
    env: tuple[str, ...] = ()
    check_endpoint: str = "/health"
    health_timeout: float = 120.0
    port: int | None = None


class RunState(StrEnum):
    STARTING = "starting"
    READY = "ready"
    STOPPING = "stopping"
    OVER = "over"


class Supervisor:
    """See the module. All callbacks are called on the loop, must return at once and must not raise; `notify` may call back
    into `stop` and `kill`. `log` takes a level of the configuration ("debug" ... "error") and a line."""

    def __init__(
        self,
        run: RunId,
        spec: RunSpec,
        launcher: Launcher,
        *,
        notify: Callable[[Event], None],
        output: Callable[[bytes], None],
        log: Callable[[str, str], None],
    ) -> None:
        self.run = run
        self.spec = spec
        self.state = RunState.STARTING
        self.epitaph = "has exited"  # how it ended, where nobody asked it to; reads on from "the server of model x"
        self.address: Address | None = None  # where it answered its check; None before, or without a check
        self._launcher = launcher
        self._notify = notify
        self._output = output
        self._log = log
        self._last_words = LastWords()
        self._check: Check | None = None
        self._process: Process | None = None
        self._stop_is_asked = False
        self._suspicion = 0.0
        self._was_killed = False
        self._deadline: float | None = None  # loop time at which what is left is killed
        self._loop = asyncio.get_running_loop()
        self._asked: asyncio.Future[None] = self._loop.create_future()  # wakes the task; renewed when it has woken
        self._began = self._loop.time()
        self._task: asyncio.Task[None] | None = None

    @property
    def pid(self) -> int | None:
        return self._process.pid if self._process else None

    @property
    def exit_code(self) -> int | None:
        """Of the first process, once it is gone; negative: the signal that killed it."""
        process = self._process
        return process.exited.result() if process and process.exited.done() else None

    def start(self) -> None:
        self._task = self._loop.create_task(self._supervise(), name=f"run {self.run} of {self.spec.model}")

    def stop(self, grace: float) -> None:
        """Ask it to end; after `grace` seconds it is killed. Asking again is harmless: a shorter grace counts, a longer one
        does not."""
        self._stop_is_asked = True
        self._allow(grace)
        if not self._asked.done():
            self._asked.set_result(None)

    def kill(self) -> None:
        """End it without grace."""
        self.stop(0)
        if self._process and not self._process.is_over():
            self._process.kill()

    async def wait_over(self) -> None:
        """Until `Exited` has been reported. Cancelling the wait does not touch the run."""
        if self._task:
            await asyncio.wait({self._task})
            self._task.result()

    # --- the life of a run -------------------------------------------------------------------------------------------

    async def _supervise(self) -> None:
        error: StartError | None = None
        try:
            error = await self._live()
            if error:
                self._log("error", error.detail)
        except Exception as bug:  # whoever waits for this run must hear of its end whatever happens
            error = StartError(f'model "{self.spec.model}" cannot be supervised: {bug or type(bug).__name__}')
            self._loop.call_exception_handler({"message": f"the supervision of {self.spec.model} failed", "exception": bug})
        finally:
            self.state = RunState.OVER
            self._let_go()
        self._notify(Exited(self.run, error))

    def _let_go(self) -> None:
        process = self._process
        if process is None:
            return
        try:
            if not process.is_over():  # only if this task was cancelled, or failed
                process.kill()
            process.close()
        except Exception as bug:
            self._loop.call_exception_handler({"message": f"{self.spec.model} may not be gone", "exception": bug})

    async def _live(self) -> StartError | None:
        """All of it. The error, if it never became ready although nobody asked it to stop."""
        error = await self._launch()
        process = self._process
        if process is None:
            if error and not self._stop_is_asked:
                self._notify(Failed(self.run, error))
                return error
            return None
        error = await self._until_ready(process)
        if self._stop_is_asked:
            error = None
        elif error:
            self._allow(FAILURE_GRACE)
            self._notify(Failed(self.run, error))
        else:
            self.state = RunState.READY
            self._notify(BecameReady(self.run))
            await self._until_it_should_end(process)
        self.state = RunState.STOPPING
        await self._tear_down(process)
        await asyncio.wait({process.output_ended}, timeout=OUTPUT_GRACE)
        return error

    async def _launch(self) -> StartError | None:
        """Sets `_check` (None: none wanted) and `_process`, unless there is an error or a stop was asked meanwhile."""
        spec = self.spec
        try:
            if not spec.argv:
                raise ValueError("it has no command")
            if not spec.proxy:
                raise ValueError("it has no proxy URL")
            check = check_for(spec.proxy, spec.check_endpoint)
        except ValueError as wrong:
            return StartError(f'model "{spec.model}" cannot be started: {wrong}')
        if spec.check_endpoint.strip() != "none":
            self._check = check
        if error := await self._look_for_strangers(check):
            return error
        if self._stop_is_asked:
            return None
        names = ", ".join(entry.partition("=")[0] for entry in spec.env)  # values may be secrets
        self._log("debug", f"command: {shlex.join(spec.argv)}" + (f" (env: {names})" if names else ""))
        self._began = self._loop.time()
        try:
            launch = LaunchSpec(name=str(self.run), argv=spec.argv, env=spec.env)
            self._process = await self._launcher.launch(launch, self._hear)
        except LaunchError as failure:
            return StartError(f'model "{spec.model}": {failure}', worth_retrying=failure.worth_retrying)
        return None

    async def _look_for_strangers(self, check: Check) -> StartError | None:
        """On a port that Swapyard assigned nobody may listen yet (llama-swap #57). On one that the user chose somebody may:
        the command may be there to start what listens already. Then a quick 200 is not taken at its word."""
        port = check.port if self.spec.port is None else self.spec.port
        host = check.host if check.port == port else "localhost"
        if (self._check is None and self.spec.port is None) or not await somebody_accepts(host, port):
            return None
        if self.spec.port is None:
            self._log("warn", f"something listens on {host} port {port} although the model was not started yet")
            self._suspicion = SUSPICION
            return None
        return StartError(
            f'model "{self.spec.model}" was not started: its port {port} is in use by {await owner_of(port)}; '
            "end that, or set another startPort"
        )

    async def _until_ready(self, process: Process) -> StartError | None:
        """None when it is ready, and when it was asked to stop."""
        if self._check is None:
            return None
        watch = ReadinessWatch(self._check)
        probe = asyncio.create_task(watch.until_ready(), name=f"readiness of run {self.run}")
        give_up_at = self._began + self.spec.health_timeout
        pauses, looks = Pauses(), Pauses()
        try:
            while not self._stop_is_asked:
                # A wrapper may leave as soon as its server works; what it started is best known while it lives.
                process.look()
                if process.exited.done() and (process.exited.result() != 0 or process.is_over()):
                    return await self._premature_exit(process)
                suspicious_for = self._began + self._suspicion - self._loop.time()
                if probe.done() and suspicious_for <= 0 and (process.first_is_alive() or process.exited.done()):
                    self.address = probe.result()
                    self._log("debug", f"answers at {self._check.url}")
                    return None
                left = give_up_at - self._loop.time()
                if left <= 0:
                    return StartError(
                        f'model "{self.spec.model}" was not ready within {self.spec.health_timeout:g} s '
                        f"(last check of {self._check.url}: {watch.last_finding}){self._quoted_last_words()}",
                        worth_retrying=True,
                    )
                if not probe.done():
                    await self._wait_for_news(process, pauses, min(left, looks.next()), probe)
                else:  # not believed yet, or the process is dead and its death about to be told: the answer was foreign
                    await self._wait_for_news(process, pauses, suspicious_for if suspicious_for > 0 else left)
            return None
        finally:
            probe.cancel()
            await asyncio.wait({probe})

    async def _premature_exit(self, process: Process) -> StartError:
        after = self._loop.time() - self._began
        await asyncio.wait({process.output_ended}, timeout=LAST_WORDS_GRACE)
        return StartError(
            f'model "{self.spec.model}" {describe_exit(process.exited.result())} after {after:.1f} s, '
            f"before it was ready{self._quoted_last_words()}"
        )

    async def _until_it_should_end(self, process: Process) -> None:
        """Returns when a stop is asked, when nothing is left, or when the first process crashed."""
        pauses = Pauses()
        while not self._stop_is_asked:
            if process.exited.done() and (process.exited.result() != 0 or process.is_over()):
                await asyncio.wait({process.output_ended}, timeout=LAST_WORDS_GRACE)
                self.epitaph = f"{describe_exit(process.exited.result())} while it served{self._quoted_last_words()}"
                self._log("warn", self.epitaph)
                self._notify(Failed(self.run, StartError(f'model "{self.spec.model}" {self.epitaph}')))
                return
            await self._wait_for_news(process, pauses, None)

    # --- its end -----------------------------------------------------------------------------------------------------

    async def _tear_down(self, process: Process) -> None:
        """Returns when nothing of it is left, and the stop command has ended too (llama-swap #130, #220)."""
        if process.is_over():
            return
        if self._deadline is None:
            self._allow(FAILURE_GRACE)
        handed_over = process.exited.done()
        stopper = await self._ask_to_end(process)
        try:
            await self._until_gone(process, stopper, handed_over)
        finally:
            if stopper:
                self._let_go_of(stopper)

    async def _ask_to_end(self, process: Process) -> Process | None:
        """By the stop command, which is returned; by SIGTERM where there is none or it cannot be launched.

        No stop command once the first process is reaped: its pid may be somebody else's."""
        if self.spec.stop_argv and process.first_is_alive():
            argv = tuple(argument.replace("${PID}", str(process.pid)) for argument in self.spec.stop_argv)
            self._log("debug", f"cmdStop: {shlex.join(argv)}")
            try:
                return await self._launcher.launch(LaunchSpec(f"{self.run}:stop", argv, self.spec.env), self._output)
            except LaunchError as failure:
                self._log("warn", f"cmdStop: {failure}; it gets SIGTERM instead")
        process.terminate()
        return None

    def _let_go_of(self, stopper: Process) -> None:
        if not stopper.exited.done():  # only if this task was cancelled
            stopper.kill()
        elif code := stopper.exited.result():
            self._log("warn", f"cmdStop {describe_exit(code)}")
        stopper.close()

    async def _until_gone(self, process: Process, stopper: Process | None, only_rest: bool) -> None:
        """Returns when the tree is empty and the stop command has ended; whichever outlives its deadline is killed.

        `only_rest`: the first process was gone before anybody was asked to end, so the others were asked themselves."""
        pauses = Pauses()
        rest_deadline = math.inf
        while not process.is_over() or _runs(stopper):
            now = self._loop.time()
            assert self._deadline is not None
            if not only_rest and process.exited.done():
                only_rest = True
                process.terminate()  # for those outside the group, and those that a stop command left
                # A first process that ended by itself has finished its work, and the rest has no reason to stay. One that
                # died of our SIGTERM was a mere wrapper: the real server is among the rest and keeps its grace.
                if process.exited.result() != -signal.SIGTERM:
                    rest_deadline = now + REST_GRACE
            deadline = self._deadline if process.is_over() else min(self._deadline, rest_deadline)
            if now >= deadline:
                self._kill_late(process, stopper if now >= self._deadline else None)
                deadline = now + pauses.next()
            await self._wait_for_news(process, pauses, deadline - now, *([stopper.exited] if _runs(stopper) else ()))

    def _kill_late(self, process: Process, stopper: Process | None) -> None:
        if not self._was_killed:
            self._was_killed = True
            self._log("warn", "did not end in time and is killed")
        if not process.is_over():
            process.kill()
        if _runs(stopper):
            stopper.kill()

    # --- waiting -----------------------------------------------------------------------------------------------------

    async def _wait_for_news(
        self, process: Process, pauses: Pauses, limit: float | None, *also: asyncio.Future[Any]
    ) -> None:
        """Until something may have changed: asked to stop, an exit, one of `also`, `limit` seconds.

        The system tells nobody when the last member of a tree without its first process goes; that has to be looked at."""
        awaited: set[asyncio.Future[Any]] = {self._asked, *also}
        if not process.exited.done():
            awaited.add(process.exited)
        else:
            pause = pauses.next()
            limit = pause if limit is None else min(limit, pause)
        await asyncio.wait(awaited, timeout=limit, return_when=asyncio.FIRST_COMPLETED)
        if self._asked.done():
            self._asked = self._loop.create_future()

    def _allow(self, grace: float) -> None:
        deadline = self._loop.time() + max(grace, 0.0)
        self._deadline = deadline if self._deadline is None else min(self._deadline, deadline)

    def _hear(self, data: bytes) -> None:
        self._last_words.hear(data)
        self._output(data)

    def _quoted_last_words(self) -> str:
        text = self._last_words.text()
        return f"; its last output:\n{text}" if text else "; it wrote nothing"


def _runs(stopper: Process | None) -> TypeGuard[Process]:
    return stopper is not None and not stopper.exited.done()


class Pauses:
    """Growing pauses between two looks, in seconds."""

    def __init__(self) -> None:
        self._next = SHORTEST_PAUSE

    def next(self) -> float:
        pause, self._next = self._next, min(self._next * 1.5, LONGEST_PAUSE)
        return pause


def describe_exit(code: int) -> str:
    """An exit code in words, as the end of "it ..."."""
    if code >= 0:
        return f"exited with code {code}"
    try:
        name = signal.Signals(-code).name
    except ValueError:
        name = f"signal {-code}"
    return f"was killed by {name}" + (" (out of memory?)" if name == "SIGKILL" else "")
