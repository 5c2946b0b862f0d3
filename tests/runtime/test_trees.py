"""Whole trees of processes: wrappers, strays, the stubborn, and stop commands, with real children."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING

import psutil
import pytest

from swapyard.core.messages import BecameReady, Exited, Failed
from swapyard.runtime import process, supervisor
from swapyard.runtime.launchers import LaunchSpec
from swapyard.runtime.launchers.local import LocalLauncher, LocalProcess

if TYPE_CHECKING:
    from tests.runtime.conftest import Play, Stage

on_linux = pytest.mark.skipif(sys.platform != "linux", reason="only Linux gives orphans to whom asked for them")


async def first_exit(play: Play) -> None:
    """Waits until the first process of the run is reaped."""
    async with asyncio.timeout(20):
        while play.supervisor.exit_code is None:
            await asyncio.sleep(0.01)


async def test_one_that_ignores_sigterm_is_killed_after_the_grace(stage: Stage) -> None:
    async with stage.play(stage.spec("ignore_term(); say('deaf'); rest()")) as play:
        await play.until_said("deaf")
        play.supervisor.stop(0.1)
        await play.until_over()
    assert play.supervisor.exit_code == -9


async def test_a_shorter_grace_asked_later_counts_and_a_longer_one_does_not(stage: Stage) -> None:
    async with stage.play(stage.spec("ignore_term(); say('deaf'); rest()")) as play:
        await play.until_said("deaf")
        play.supervisor.stop(3600)
        await asyncio.sleep(0)
        play.supervisor.stop(0.1)
        play.supervisor.stop(3600)
        await play.until_over()
    assert play.supervisor.exit_code == -9


async def test_kill_ends_it_in_the_middle_of_a_grace(stage: Stage) -> None:
    async with stage.play(stage.spec("ignore_term(); say('deaf'); rest()")) as play:
        await play.until_said("deaf")
        play.supervisor.stop(3600)
        play.supervisor.kill()
        await play.until_over()
    assert play.supervisor.exit_code == -9


async def test_a_slow_goodbye_within_the_grace_is_waited_for(stage: Stage) -> None:
    script = "on_term(lambda: (say('saving'), time.sleep(0.5), say('saved'), os._exit(0))); say('up'); rest()"
    async with stage.play(stage.spec(script)) as play:
        await play.until_said("up")
        play.supervisor.stop(30)
        await play.until_over()
    assert b"saved" in play.output
    assert play.supervisor.exit_code == 0


@on_linux
async def test_sigterm_comes_once_to_each_member(stage: Stage) -> None:
    script = """
hits = []
def hit(): hits.append(1); say(sys.argv[1:], "hit", len(hits))
on_term(hit)
if not sys.argv[1:]: subprocess.Popen([sys.executable, *sys.orig_argv[1:], "child"])
say(sys.argv[1:], "up")
if sys.argv[1:]:
    while os.getppid() == PARENT: time.sleep(0.01)
    say("orphaned"); time.sleep(0.1); sys.exit()
while not hits: time.sleep(0.01)
time.sleep(0.1)
""".replace("PARENT", "int(sys.argv[2])").replace('"child"]', '"child", str(os.getpid())]')
    async with stage.play(stage.spec(script)) as play:
        await play.until_said(r"\['child', '\d+'\] up")
        await play.until_said(r"\[\] up")
        play.supervisor.stop(30)
        await play.until_over()
    assert play.output.count(b"hit 1") == 2
    assert b"hit 2" not in play.output


async def test_a_wrapper_that_waits_for_the_server_in_its_background_takes_it_along(stage: Stage) -> None:
    port = stage.port()
    server = " ".join(stage.script(f"say('server', os.getpid()); serve({port})"))
    async with stage.play(stage.spec(stage.shell(f"{server} & wait"), port)) as play:
        await play.until_ready()
        server_pid = await play.until_pid_said("server")
        play.supervisor.stop(30)
        await play.until_over()
        assert not stage.lives(server_pid)


async def test_behind_a_wrapper_that_dies_at_once_the_server_keeps_its_grace(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(supervisor, "REST_GRACE", 0.05)
    server = " ".join(
        stage.script("on_term(lambda: (time.sleep(0.5), say('saved'), os._exit(0))); say('server up'); rest()")
    )
    async with stage.play(stage.spec(stage.shell(f"{server}; :"))) as play:
        await play.until_said("server up")
        play.supervisor.stop(30)
        await play.until_over()
    assert b"saved" in play.output
    assert play.supervisor.exit_code == -15


@on_linux
async def test_a_wrapper_that_leaves_with_0_hands_over_to_what_it_started(stage: Stage) -> None:
    port = stage.port()
    server = " ".join(
        stage.script(
            "while os.getppid() != int(sys.argv[1]): time.sleep(0.01)\n"
            f"on_term(lambda: (say('bye'), os._exit(0))); say('server', os.getpid()); serve({port})"
        )
    )
    async with stage.play(stage.spec(stage.shell(f"{server} {os.getpid()} & echo gone"), port)) as play:
        await play.until_ready()
        assert play.supervisor.exit_code == 0
        server_pid = await play.until_pid_said("server")
        assert stage.lives(server_pid)
        play.supervisor.stop(30)
        await play.until_over()
        assert b"bye" in play.output
        assert not stage.lives(server_pid)
    assert play.events == [BecameReady(7), Exited(7, None)]


@on_linux
async def test_after_a_handover_the_run_ends_with_its_last_member(stage: Stage) -> None:
    async with stage.play(stage.spec(stage.shell("sleep 0.3 & exit 0"))) as play:
        await play.until_over()
    assert [type(event) for event in play.events] == [BecameReady, Failed, Exited]


@on_linux
async def test_when_all_have_left_before_ready_it_is_a_failure(stage: Stage) -> None:
    async with stage.play(stage.spec(stage.shell("sleep 0.3 & exit 0"), stage.port())) as play:
        assert "exited with code 0" in await play.failure()


async def test_when_the_wrapper_crashes_the_rest_is_taken_down(stage: Stage) -> None:
    server = " ".join(stage.script("say('server', os.getpid()); rest()"))
    async with stage.play(stage.spec(stage.shell(f"{server} & wait"))) as play:
        server_pid = await play.until_pid_said("server")
        os.kill(play.supervisor.pid or 0, signal.SIGKILL)
        await play.until_over()
        assert not stage.lives(server_pid)
    assert [type(event) for event in play.events] == [BecameReady, Failed, Exited]


async def test_a_failing_start_takes_the_rest_down_and_is_told_at_once(stage: Stage) -> None:
    server = " ".join(stage.script("say('server', os.getpid()); rest()"))
    script = f"child = subprocess.Popen({server.split()!r}); import select; time.sleep(0.3); sys.exit(6)"
    async with stage.play(stage.spec(script, stage.port())) as play:
        assert "exited with code 6" in await play.failure()
        assert not stage.lives(await play.until_pid_said("server"))


async def test_a_stubborn_grandchild_is_killed_after_its_parent_is_gone(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The original leaves such a one alive, with its port and its GPU memory."""
    monkeypatch.setattr(supervisor, "REST_GRACE", 0.05)
    script = """
if os.fork() == 0:
    ignore_term(); say("child", os.getpid()); rest()
on_term(lambda: os._exit(0)); say("up"); rest()
"""
    async with stage.play(stage.spec(script)) as play:
        child = await play.until_pid_said("child")
        await play.until_said("up")
        play.supervisor.stop(3600)
        await play.until_over()
        assert not stage.lives(child)
    assert play.supervisor.exit_code == 0


@on_linux
@pytest.mark.parametrize("deaf", [False, True])
async def test_a_double_fork_with_its_own_session_is_gone_after_a_stop(stage: Stage, deaf: bool) -> None:
    """Shell -> child -> double fork (llama-swap #804, #808)."""
    daemon = f"{'ignore_term(); ' if deaf else ''}say('daemon', os.getpid()); rest()"
    inner = " ".join(stage.script(f"def daemon():\n  {daemon}\nstray(daemon); say('inner up'); rest()"))
    async with stage.play(stage.spec(stage.shell(f"{inner}; :"))) as play:
        daemon_pid = await play.until_pid_said("daemon")
        await play.until_said("inner up")
        assert os.getsid(daemon_pid) != play.supervisor.pid
        play.supervisor.stop(1)
        await play.until_over()
        assert not psutil.pid_exists(daemon_pid), "not even a zombie"


@on_linux
async def test_a_daemon_keeps_the_run_alive_when_all_else_has_left_with_0(stage: Stage) -> None:
    async with stage.play(stage.spec("stray(lambda: (say('daemon', os.getpid()), rest()))")) as play:
        daemon_pid = await play.until_pid_said("daemon")
        await first_exit(play)
        assert stage.lives(daemon_pid)
        assert play.events == [BecameReady(7)]
        play.supervisor.stop(30)
        await play.until_over()
        assert not stage.lives(daemon_pid)


@on_linux
async def test_a_stray_without_a_readable_environment_is_recognised_if_it_was_seen_before(stage: Stage) -> None:
    wipe = "os.execve(sys.executable, [sys.executable, '-S', '-c', WIPED], {})"
    script = f"""
WIPED = "import os, signal; print('child', os.getpid(), flush=True); signal.pause()"
if os.fork() == 0:
    os.setsid(); {wipe}
say("up"); rest()
"""
    async with stage.play(stage.spec(script)) as play:
        child = await play.until_pid_said("child")
        await play.until_said("up")
        play.supervisor.stop(30)
        await play.until_over()
        assert not stage.lives(child)


@on_linux
async def test_a_stray_that_cleared_its_environment_unseen_is_recognised_by_its_output(stage: Stage) -> None:
    daemon = " ".join(stage.script("say('daemon', os.getpid()); rest()"))
    wrapper = f"( setsid env -i {daemon} & ); read never < {stage.directory}/gate; exit 0"
    os.mkfifo(stage.directory / "gate")
    async with stage.play(stage.spec(stage.shell(wrapper))) as play:
        daemon_pid = await play.until_pid_said("daemon")
        (stage.directory / "gate").write_text("go")  # nobody looked at the tree so far
        await first_exit(play)
        assert play.events == [BecameReady(7)]
        play.supervisor.stop(30)
        await play.until_over()
        assert not stage.lives(daemon_pid)


@on_linux
async def test_who_was_seen_during_the_start_is_recognised_without_environment_and_output(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    script = """
wiped = "import os, signal; signal.pause()"
child = subprocess.Popen([sys.executable, "-S", "-c", wiped], env={}, start_new_session=True, stdout=-3, stderr=-3)
signal.signal(signal.SIGUSR1, lambda *_: os._exit(0)); say("child", child.pid); rest()
"""
    looks: list[LocalProcess] = []
    look = LocalProcess.look

    def noted_look(self: LocalProcess) -> None:
        look(self)
        looks.append(self)

    monkeypatch.setattr(LocalProcess, "look", noted_look)
    async with stage.play(stage.spec(script, stage.port())) as play:
        child = await play.until_pid_said("child")
        so_far = len(looks)
        async with asyncio.timeout(20):
            while len(looks) == so_far:
                await asyncio.sleep(0.01)
        os.kill(play.supervisor.pid or 0, signal.SIGUSR1)
        await first_exit(play)
        play.supervisor.stop(30)
        await play.until_over()
        assert not stage.lives(child)
    assert play.events == [Exited(7, None)]


@on_linux
async def test_a_member_of_the_session_needs_no_environment_to_be_recognised(stage: Stage) -> None:
    script = """
wiped = "import os, signal; print('child', os.getpid(), flush=True); signal.pause()"
subprocess.Popen([sys.executable, "-S", "-c", wiped], env={})  # returns when the environment is gone
"""
    async with stage.play(stage.spec(script)) as play:
        child = await play.until_pid_said("child")
        await first_exit(play)
        assert play.events == [BecameReady(7)]
        play.supervisor.stop(30)
        await play.until_over()
        assert not stage.lives(child)


@on_linux
async def test_strays_of_one_run_are_no_concern_of_another(stage: Stage) -> None:
    script = "stray(lambda: (say('daemon', os.getpid()), rest())); say('up'); rest()"
    async with stage.play(stage.spec(script)) as one, stage.play(stage.spec("rest()")) as other:
        daemon = await one.until_pid_said("daemon")
        await other.until_ready()
        other.supervisor.stop(5)
        await other.until_over()
        assert stage.lives(daemon)


async def test_what_holds_the_pipe_but_is_none_of_ours_cannot_hold_up_the_end(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(supervisor, "OUTPUT_GRACE", 0.05)
    async with stage.play(stage.spec("say('up'); rest()")) as play:
        await play.until_said("up")
        writer = os.open(f"/proc/{play.supervisor.pid}/fd/1", os.O_WRONLY)
        try:
            play.supervisor.stop(10)
            await play.until_over()
        finally:
            os.close(writer)
    assert play.events[-1] == Exited(7, None)


async def test_kill_everything_now_works_without_waiting(stage: Stage) -> None:
    async with (
        stage.play(stage.spec("ignore_term(); say('deaf'); rest()")) as one,
        stage.play(stage.spec("ignore_term(); say('deaf'); rest()")) as other,
    ):
        await one.until_said("deaf")
        await other.until_said("deaf")
        process.kill_everything_now()
        await one.until_over()
        await other.until_over()
        assert one.supervisor.exit_code == other.supervisor.exit_code == -9


# --- stop commands ---------------------------------------------------------------------------------------------------


async def test_a_stop_command_gets_the_pid_and_the_environment_and_replaces_sigterm(stage: Stage) -> None:
    script = "on_term(lambda: say('TERM')); signal.signal(signal.SIGUSR1, lambda *_: os._exit(0)); say('up'); rest()"
    stop = stage.shell('echo "stopping $WHO"; kill -USR1 ${PID}')
    async with stage.play(stage.spec(script, stop_argv=stop, env=("WHO=me",))) as play:
        await play.until_said("up")
        play.supervisor.stop(30)
        await play.until_over()
    assert b"stopping me" in play.output
    assert b"TERM" not in play.output
    assert play.supervisor.exit_code == 0


async def test_what_a_stop_command_leaves_gets_sigterm(stage: Stage) -> None:
    script = """
on_term(lambda: (say("TERM"), os._exit(0)))
if os.fork() == 0:
    say("child up"); rest()
on_term(lambda: say("leader TERM")); say("leader up"); rest()
"""
    async with stage.play(stage.spec(script, stop_argv=("kill", "-KILL", "${PID}"))) as play:
        await play.until_said("child up")
        await play.until_said("leader up")
        play.supervisor.stop(30)
        await play.until_over()
    assert b"leader TERM" not in play.output
    assert b"TERM" in play.output


async def test_a_first_process_that_dies_before_its_stop_command_was_launched_takes_the_rest_along(stage: Stage) -> None:
    class SlowStopLauncher(LocalLauncher):
        async def launch(self, spec: LaunchSpec, output: Callable[[bytes], None]) -> LocalProcess:
            launched = await super().launch(spec, output)
            if spec.name.endswith(":stop"):
                await first_exit(play)
            return launched

    script = "on_term(lambda: say('TERM'))\nif os.fork() == 0: on_term(lambda: os._exit(0)); say('child up')\nrest()"
    spec = stage.spec(script, stop_argv=("kill", "-KILL", "${PID}"))
    async with stage.play(spec, SlowStopLauncher()) as play:
        await play.until_said("child up")
        play.supervisor.stop(3600)
        await play.until_over()
    assert b"TERM" not in play.output


async def test_the_true_exit_is_awaited_when_the_stop_command_returns_early(stage: Stage) -> None:
    """llama-swap #130, #220."""
    script = "signal.signal(signal.SIGUSR1, lambda *_: (time.sleep(0.5), say('gone'), os._exit(0))); say('up'); rest()"
    async with stage.play(stage.spec(script, stop_argv=("kill", "-USR1", "${PID}"))) as play:
        await play.until_said("up")
        play.supervisor.stop(30)
        await play.until_over()
    assert b"gone" in play.output
    assert play.supervisor.exit_code == 0


async def test_a_stop_command_still_at_work_is_awaited_after_the_exit(stage: Stage) -> None:
    """A container's name is in use until its stop command has returned."""
    stop = stage.script("os.kill(int(sys.argv[1]), 15); time.sleep(0.5); say('name is free')")
    async with stage.play(stage.spec("say('up'); rest()", stop_argv=(*stop, "${PID}"))) as play:
        await play.until_said("up")
        play.supervisor.stop(30)
        await play.until_over()
    assert b"name is free" in play.output


async def test_a_stop_command_that_hangs_is_killed_with_the_run_after_the_grace(stage: Stage) -> None:
    stop = stage.script("ignore_term(); say('stopper', os.getpid()); rest()")
    async with stage.play(stage.spec("say('up'); rest()", stop_argv=stop)) as play:
        await play.until_said("up")
        play.supervisor.stop(1)
        stopper = await play.until_pid_said("stopper")
        await play.until_over()
        assert not stage.lives(stopper)
    assert play.supervisor.exit_code == -9


async def test_a_stop_command_that_fails_is_logged_and_the_grace_runs_on(stage: Stage) -> None:
    async with stage.play(stage.spec("say('up'); rest()", stop_argv=("false",))) as play:
        await play.until_said("up")
        play.supervisor.stop(0.2)
        await play.until_over()
    assert play.supervisor.exit_code == -9
    assert ("warn", "cmdStop exited with code 1") in play.lines


async def test_a_stop_command_that_cannot_be_launched_gives_way_to_sigterm(stage: Stage) -> None:
    async with stage.play(stage.spec("say('up'); rest()", stop_argv=("no-such-stopper",))) as play:
        await play.until_said("up")
        play.supervisor.stop(3600)
        await play.until_over()
    assert play.supervisor.exit_code == -15
    assert any("no-such-stopper" in text for level, text in play.lines if level == "warn")


@on_linux
async def test_no_stop_command_is_launched_once_the_first_process_was_reaped(stage: Stage) -> None:
    spec = stage.spec(stage.shell("sleep 3600 & exit 0"), stop_argv=stage.shell("echo stop ${PID}"))
    async with stage.play(spec) as play:
        await play.until_ready()
        await first_exit(play)
        play.supervisor.stop(30)
        await play.until_over()
    assert b"stop" not in play.output


# --- the launcher's process itself -----------------------------------------------------------------------------------


async def test_a_death_is_seen_before_the_loop_tells_it(stage: Stage) -> None:
    launched = await LocalLauncher().launch(LaunchSpec("1", stage.script("rest()")), lambda data: None)
    assert launched.first_is_alive()
    os.kill(launched.pid, signal.SIGKILL)
    while launched.first_is_alive():  # without giving the loop a chance
        pass
    assert not launched.exited.done()
    await launched.exited
    assert launched.is_over()
    launched.close()


@on_linux
async def test_dead_orphans_that_nobody_saw_are_reaped(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(process, "STRANGER_AGE", 0.0)
    async with stage.play(stage.spec("stray(lambda: say('daemon', os.getpid())); rest()")) as play:
        daemon = await play.until_pid_said("daemon")
        async with asyncio.timeout(20):
            while not process.reap_strangers():
                await asyncio.sleep(0.01)
        assert not psutil.pid_exists(daemon)
