from swit_provisioning.apply.change_log import outcomes_frame
from swit_provisioning.apply.outcomes import bindings_to_remember
from swit_provisioning.planning.model import Binding
from swit_provisioning_tests.apply.changes import (
    create_team,
    create_user,
    new_team,
    new_user,
    plan_of,
)
from swit_provisioning_tests.apply.conftest import Stage


def test_created_objects_are_remembered_by_swit_id_and_others_are_left_out(
    stage: Stage,
) -> None:
    plan = plan_of(
        create_user("ann@example.com"),
        create_user("eve@example.com", "<Eve>"),
        create_team("Sales", stage.root_id),
        bindings=[
            Binding(kind="user", directory_id="e1", object_id="U1"),
            Binding(kind="user", directory_id="e2", object_id=new_user("ann@example.com")),
            Binding(kind="user", directory_id="e3", object_id=new_user("eve@example.com")),
            Binding(kind="group", directory_id="g1", object_id=new_team("Sales")),
        ],
    )
    stage.apply(plan)
    ann = stage.organisation.user_by_email("ann@example.com")
    assert ann is not None
    assert bindings_to_remember(plan, stage.store, "R1") == [
        ("user", "e1", "U1"),
        ("user", "e2", ann.id),
        ("group", "g1", stage.team("Sales").id),
    ]


def test_the_outcomes_frame_has_one_row_for_each_change(stage: Stage) -> None:
    plan = plan_of(create_user("ann@example.com"), create_user("eve@example.com", "<Eve>"))
    frame = outcomes_frame(stage.apply(plan))
    assert frame["outcome"].tolist() == ["applied", "rejected"]
    assert frame["http_status"].tolist() == [200, 400]
    assert frame["calls"].tolist() == [1, 1]
    assert outcomes_frame([]).empty
