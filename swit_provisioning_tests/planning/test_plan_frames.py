"""Changes as rows of a frame."""

import json

from swit_provisioning.planning.schemas import CHANGE_PLAN, USER_DIFF, changes_frame, in_words
from swit_provisioning_tests.planning.made_plans import change

RENAMED = change("user.update", "U1", before={"name": "Ann"}, after={"name": "김앤"})
GONE = change("team.delete", "T1", before={"name": "A", "members": ["U1"]})


def test_each_change_is_a_row_with_its_values_as_json_that_people_can_read() -> None:
    frame = changes_frame([RENAMED, GONE])
    assert json.loads(frame.to_json(orient="records")) == [
        {**RENAMED.document(), "before": '{"name": "Ann"}', "after": '{"name": "김앤"}'},
        {**GONE.document(), "before": '{"name": "A", "members": ["U1"]}', "after": "{}"},
    ]
    assert list(frame.columns) == list(CHANGE_PLAN.names)


def test_no_change_is_a_frame_of_no_rows() -> None:
    assert list(changes_frame([], USER_DIFF).columns) == list(USER_DIFF.names)


def test_words_stand_beside_the_values_that_they_tell() -> None:
    frame = changes_frame([RENAMED, GONE])
    told = in_words(frame)
    assert list(told["what"]) == ["name: Ann → 김앤", "1 member"]
    assert list(told.columns) == [*frame.columns, "what"]
