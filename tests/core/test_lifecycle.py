"""The table of states and steps."""

from __future__ import annotations

import pytest

from swapyard.core.lifecycle import TABLE, LifecycleError, State, Step, next_state

IMPOSSIBLE = [(state, step) for state in State for step in Step if (state, step) not in TABLE]


def test_a_run_is_started_becomes_ready_is_stopped_and_exits() -> None:
    state = State.STOPPED
    seen = []
    for step in (Step.START, Step.BECOME_READY, Step.STOP, Step.EXIT):
        state = next_state(state, step)
        seen.append(state)
    assert seen == [State.STARTING, State.READY, State.STOPPING, State.STOPPED]


def test_a_run_that_failed_to_start_is_stopping_until_it_is_gone() -> None:
    assert next_state(State.STARTING, Step.FAIL) is State.STOPPING


@pytest.mark.parametrize("step", [Step.BECOME_READY, Step.FAIL])
def test_what_a_stopping_run_still_reports_changes_nothing(step: Step) -> None:
    assert next_state(State.STOPPING, step) is State.STOPPING


@pytest.mark.parametrize("state", [State.STARTING, State.READY, State.STOPPING])
def test_a_run_can_exit_at_any_time(state: State) -> None:
    assert next_state(state, Step.EXIT) is State.STOPPED


@pytest.mark.parametrize(("state", "step"), IMPOSSIBLE)
def test_a_step_that_is_not_in_the_table_raises(state: State, step: Step) -> None:
    with pytest.raises(LifecycleError, match=f"{state} cannot take the step {step}"):
        next_state(state, step)


def test_no_step_leads_back_from_stopping_but_the_exit() -> None:
    assert {step for (state, step), after in TABLE.items() if state is State.STOPPING and after is not state} == {Step.EXIT}
