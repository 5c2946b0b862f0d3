"""Starting, becoming ready, failing and dying of a run, with real children."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from swapyard.core.messages import BecameReady, Event, Exited, Failed
from swapyard.runtime import supervisor
from swapyard.runtime.supervisor import RunSpec, RunState

if TYPE_CHECKING:
    from tests.runtime.conftest import Stage


async def test_without_a_check_it_is_ready_at_once_and_ends_when_asked(stage: Stage) -> None:
    async with stage.play(stage.spec("say('up'); rest()")) as play:
        await play.until_ready()
        assert play.supervisor.address is None
        assert play.supervisor.pid is not None
        await play.until_said("up")
        play.supervisor.stop(10)
        await play.until_over()
    assert play.events == [BecameReady(7), Exited(7, None)]
    assert play.supervisor.exit_code == -15
    assert play.supervisor.state is RunState.OVER


async def test_ready_comes_with_the_first_200_and_not_before(stage: Stage) -> None:
    port = stage.port()
    async with stage.play(stage.spec(f"serve({port}, statuses=(503, 404, 204, 302, 500, 200))", port)) as play:
        await play.until_ready()
        assert play.supervisor.address == ("127.0.0.1", port)
        asked = [line.rpartition(" ")[2] for line in play.output.decode().splitlines()]
        assert asked == ["503", "404", "204", "302", "500", "200"]


async def test_the_check_goes_below_the_path_of_the_proxy_and_ignores_a_host(stage: Stage) -> None:
    port = stage.port()
    spec = stage.spec(
        f"serve({port})", port, proxy=f"http://127.0.0.1:{port}/base/", check_endpoint="http://elsewhere/ok?deep=1"
    )
    async with stage.play(spec) as play:
        await play.until_said("asked GET /base/ok\\?deep=1 HTTP/1.1 200")
        await play.until_ready()


async def test_what_it_writes_arrives_in_the_order_of_writing(stage: Stage) -> None:
    script = "for n in range(50):\n  (sys.stdout if n % 2 else sys.stderr).write(f'{n} ')\n  sys.stdout.flush()\nrest()"
    async with stage.play(stage.spec(script)) as play:
        await play.until_said("49 ")
    assert play.output.decode() == "".join(f"{n} " for n in range(50))


async def test_scripts_may_open_their_output_by_name(stage: Stage) -> None:
    async with stage.play(stage.spec(stage.shell("echo one >/dev/stdout; echo two >/dev/stderr"))) as play:
        await play.until_over()
    assert play.output == b"one\ntwo\n"


async def test_the_environment_is_extended_and_the_last_of_a_name_wins(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("INHERITED", "yes")
    monkeypatch.setenv("CHANGED", "old")
    script = "say(*(os.environ.get(n) for n in ('INHERITED', 'CHANGED', 'EMPTY', 'SWAPYARD_RUN')), '|'); rest()"
    spec = stage.spec(script, env=("CHANGED=first", "CHANGED=a=b", "EMPTY=", "nonsense"))
    async with stage.play(spec) as play:
        await play.until_said(r"^yes a=b  [0-9a-f]{32}:7 \|")
        assert not any("a=b" in text for _, text in play.lines), "values may be secrets"


async def test_it_gets_no_input(stage: Stage) -> None:
    async with stage.play(stage.spec("say('read', repr(sys.stdin.read())); rest()")) as play:
        await play.until_said("read ''")


async def test_an_early_death_is_told_with_exit_code_and_last_words(stage: Stage) -> None:
    script = """
say("line 0")
for n in range(20): say(f"line {n}")
sys.stderr.write("\\x1b[31merror:\\x1b[0m no such file \\xe9\\n"); sys.stderr.flush()
sys.exit(3)
"""
    async with stage.play(stage.spec(script, stage.port())) as play:
        detail = await play.failure()
    assert "exited with code 3 after" in detail
    assert detail.endswith("line 18\nline 19\nerror: no such file é")
    assert "line 10" not in detail
    assert play.supervisor.exit_code == 3


async def test_an_early_death_by_a_signal_names_the_signal(stage: Stage) -> None:
    async with stage.play(stage.spec("os.kill(os.getpid(), signal.SIGSEGV)", stage.port())) as play:
        assert "was killed by SIGSEGV after" in await play.failure()


async def test_exit_0_before_ready_is_a_failure_too(stage: Stage) -> None:
    async with stage.play(stage.spec("pass", stage.port())) as play:
        assert "exited with code 0 after" in await play.failure()


async def test_never_ready_in_time_is_told_with_the_last_finding_and_ends_the_process(stage: Stage) -> None:
    port = stage.port()
    async with stage.play(stage.spec(f"serve({port}, statuses=(404,))", port, health_timeout=1)) as play:
        detail = await play.failure()
    assert f"was not ready within 1 s (last check of http://127.0.0.1:{port}/health: HTTP 404)" in detail
    assert play.supervisor.exit_code == -15


async def test_never_listening_is_told_as_connection_refused(stage: Stage) -> None:
    async with stage.play(stage.spec("rest()", stage.port(), health_timeout=0.5)) as play:
        assert "connection refused); it wrote nothing" in await play.failure()


async def test_a_server_that_accepts_and_never_answers_runs_out_of_time(stage: Stage) -> None:
    port = stage.port()
    async with stage.play(stage.spec(f"l = listen({port}); say('hanging'); rest()", port, health_timeout=0.5)) as play:
        assert "was not ready within 0.5 s" in await play.failure()


async def test_death_ends_an_attempt_that_hangs(stage: Stage) -> None:
    port = stage.port()
    script = f"l = listen({port}); c = l.accept(); c[0].recv(9)\nif os.fork(): os._exit(4)\nl.close(); rest()"
    async with stage.play(stage.spec(script, port)) as play:
        assert "exited with code 4" in await play.failure()


async def test_stop_while_an_attempt_hangs_is_no_error(stage: Stage) -> None:
    port = stage.port()
    async with stage.play(stage.spec(f"l = listen({port}); c = l.accept(); say('accepted'); rest()", port)) as play:
        await play.until_said("accepted")
        play.supervisor.stop(10)
        await play.until_over()
    assert play.events == [Exited(7, None)]
    assert play.supervisor.exit_code == -15


async def test_a_stop_before_anything_was_launched_launches_nothing(stage: Stage) -> None:
    async with stage.play(stage.spec("say('never')")) as play:
        play.supervisor.stop(10)
        await play.until_over()
    assert play.events == [Exited(7, None)]
    assert play.supervisor.pid is None


async def test_stop_may_be_called_from_within_a_report(stage: Stage) -> None:
    async with stage.play(stage.spec("ignore_term(); say('deaf'); rest()", stage.port(), health_timeout=0.5)) as play:

        def stop(event: Event) -> None:
            if isinstance(event, Failed):
                play.supervisor.stop(0.05)

        play.when_noted = stop
        assert "was not ready" in await play.failure()
    assert play.supervisor.exit_code == -9


async def test_a_failed_start_is_not_given_a_longer_grace_by_a_stop(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(supervisor, "FAILURE_GRACE", 0.05)
    async with stage.play(stage.spec("ignore_term(); say('deaf'); rest()", stage.port(), health_timeout=0.5)) as play:
        play.when_noted = lambda event: play.supervisor.stop(3600)
        assert "was not ready" in await play.failure()
    assert play.supervisor.exit_code == -9


async def test_stop_is_idempotent_and_harmless_after_the_end(stage: Stage) -> None:
    async with stage.play(stage.spec("rest()")) as play:
        await play.until_ready()
        play.supervisor.stop(10)
        play.supervisor.stop(10)
        await play.until_over()
        play.supervisor.stop(1)
        play.supervisor.kill()
    assert play.events == [BecameReady(7), Exited(7, None)]


async def test_a_crash_when_ready_is_told_at_once_and_logged_with_its_last_words(stage: Stage) -> None:
    async with stage.play(stage.spec("say('ouch'); os.kill(os.getpid(), signal.SIGKILL)")) as play:
        await play.until_over()
    ready, failed, exited = play.events
    assert (ready, exited) == (BecameReady(7), Exited(7, None))
    assert isinstance(failed, Failed)
    assert "was killed by SIGKILL" in failed.error.detail
    assert play.supervisor.epitaph.startswith("was killed by SIGKILL")
    assert play.supervisor.epitaph.endswith("ouch")
    [warning] = [text for level, text in play.lines if level == "warn"]
    assert "was killed by SIGKILL" in warning
    assert warning.endswith("ouch")


async def test_after_a_failure_the_same_model_starts_again(stage: Stage) -> None:
    port, flag = stage.port(), stage.directory / "second"
    script = f"import pathlib; f = pathlib.Path({str(flag)!r})\nif not f.exists(): f.touch(); sys.exit(0)\nserve({port})"
    spec = stage.spec(script, port)
    async with stage.play(spec) as play:
        await play.failure()
    async with stage.play(spec) as play:
        await play.until_ready()


async def test_ten_runs_start_and_stop_at_the_same_time(stage: Stage) -> None:
    async def start_and_stop(port: int) -> None:
        async with stage.play(stage.spec(argv, port, env=(f"PORT={port}",))) as play:
            await play.until_ready()
            play.supervisor.stop(10)
            await play.until_over()
            assert play.events == [BecameReady(7), Exited(7, None)]

    argv = stage.script("serve(int(os.environ['PORT']))")
    async with asyncio.TaskGroup() as group:
        for port in {stage.port() for _ in range(10)}:
            group.create_task(start_and_stop(port))


async def test_cancelling_who_waits_does_not_touch_the_run(stage: Stage) -> None:
    async with stage.play(stage.spec("rest()")) as play:
        await play.until_ready()
        waiter = asyncio.create_task(play.supervisor.wait_over())
        await asyncio.sleep(0)
        waiter.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiter
        assert play.supervisor.state is RunState.READY


@pytest.mark.parametrize(
    ("spec", "words"),
    [
        (RunSpec(model="m", argv=(), proxy="http://localhost:1"), "has no command"),
        (RunSpec(model="m", argv=("true",), proxy=""), "has no proxy URL"),
        (RunSpec(model="m", argv=("true",), proxy="localhost:1"), "is not a URL"),
        (RunSpec(model="m", argv=("true",), proxy="http://localhost:99999"), "has no valid port"),
        (RunSpec(model="m", argv=("no-such-program",), proxy="http://localhost:1"), "not found in PATH ("),
    ],
)
async def test_what_cannot_be_started_fails_with_the_reason(stage: Stage, spec: RunSpec, words: str) -> None:
    async with stage.play(spec) as play:
        detail = await play.failure()
    assert words in detail
    assert detail.startswith('model "m"')
