"""Run states: scripts rely on their words and exit codes."""

from swit_provisioning.apply.run_model import PlanRequest, RunState


def test_every_state_has_its_exit_code() -> None:
    assert {state.value: state.exit_code for state in RunState} == {
        "applied": 0,
        "nothing to do": 0,
        "planned": 0,
        "failed": 1,
        "canceled": 1,
        "unknown plan": 2,
        "wrong use": 2,
        "blocked": 3,
        "partly applied": 4,
        "stale": 5,
        "busy": 6,
    }


def test_json_has_seven_states_and_messages_have_two_more() -> None:
    written = {"applied", "nothing to do", "partly applied", "blocked", "stale", "busy", "failed"}
    assert {state.json_state for state in RunState} - {RunState.PLANNED} == written
    assert {state.message_state for state in RunState} == written | {"planned", "canceled"}


def test_a_request_returns_the_options_that_select_the_same_changes() -> None:
    request = PlanRequest(plan_id="P1", approve="sold", only="user.*", exclude="a b", limit=3)
    assert request.options == " --only 'user.*' --except 'a b' --limit 3"
    assert PlanRequest().options == ""
