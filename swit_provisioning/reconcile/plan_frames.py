"""Changes as frames: what the assets of a plan hold."""

import json
from collections.abc import Iterable, Mapping
from typing import Any

import pandas as pd

from swit_provisioning.reconcile.frames import CHANGE_PLAN, FrameSchema
from swit_provisioning.reconcile.plan import Change
from swit_provisioning.reconcile.words import what


def changes_frame(changes: Iterable[Change], schema: FrameSchema = CHANGE_PLAN) -> pd.DataFrame:
    """Changes as a frame, one row each, `before` and `after` as JSON text, readable names kept."""

    def text(values: Mapping[str, Any]) -> str:
        return json.dumps(dict(values), ensure_ascii=False)

    return schema.frame(
        {**change.document(), "before": text(change.before), "after": text(change.after)}
        for change in changes
    )


def in_words(frame: pd.DataFrame) -> pd.DataFrame:
    """Add `what`, a few words for `before` and `after`, to a frame that `changes_frame` made."""
    rows = zip(frame["action"], frame["before"], frame["after"], strict=True)
    words = [what(action, json.loads(before), json.loads(after)) for action, before, after in rows]
    return frame.assign(what=words)
