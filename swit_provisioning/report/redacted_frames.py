"""Frames without people: what the UI and the logs show of rows, where people are to be hidden."""

import json
from collections.abc import Mapping
from typing import Any, Final

import pandas as pd

from swit_provisioning.planning.model import Finding
from swit_provisioning.report.redaction import (
    Hide,
    code_of,
    finding_without_people,
    hidden,
    hidden_target,
    hidden_values,
    nothing_of,
    without_people_in,
)

_COLUMNS: Final[Mapping[str, Mapping[str, Hide]]] = {
    "idp_users": {
        "key": code_of,
        "dn": code_of,
        "emails": code_of,
        "other_emails": code_of,
        "names": nothing_of,
        "phone_numbers": nothing_of,
    },
    "idp_memberships": {"member": code_of, "member_dn": code_of},
    "swit_users": {"email": code_of, "name": nothing_of, "phone_number": nothing_of},
}
"""Asset -> the columns that hold people, and how each is shown."""


def frame_without_people(name: str, frame: pd.DataFrame) -> pd.DataFrame:
    """Rows of the asset `name` to be shown; its columns stay, as far as they are there."""
    if {"action", "target"} <= set(frame.columns):
        return _changes_frame(frame)
    if {"kind", "reason"} <= set(frame.columns):
        return _findings_frame(frame)
    ways = {c: way for c, way in _COLUMNS.get(name, {}).items() if c in frame.columns}
    return frame.assign(**{c: _each(frame[c], way) for c, way in ways.items()})


def _changes_frame(frame: pd.DataFrame) -> pd.DataFrame:
    actions = frame["action"].tolist()
    targets = [hidden_target(*row) for row in zip(actions, frame["target"], strict=True)]
    shown = frame.assign(target=targets)
    for column in ("before", "after"):
        if column in frame.columns:
            values = zip(actions, map(json.loads, frame[column]), strict=True)
            shown[column] = [json.dumps(hidden_values(*row), ensure_ascii=False) for row in values]
    for column in ("change_id", "object_id", "reason", "message"):
        if column in frame.columns:
            shown[column] = _each(frame[column], without_people_in)
    return shown


def _findings_frame(frame: pd.DataFrame) -> pd.DataFrame:
    who = "dn" if "dn" in frame.columns else "subject"
    rows = zip(frame["kind"], frame[who], frame["reason"], strict=True)
    shown = [
        finding_without_people(Finding(kind=kind, subject=subject, message=message))
        for kind, subject, message in rows
    ]
    return frame.assign(**{who: [f.subject for f in shown], "reason": [f.message for f in shown]})


def _each(values: "pd.Series[Any]", way: Hide) -> list[Any]:
    return [None if v is None or v is pd.NA or v != v else hidden(v, way) for v in values.tolist()]  # noqa: PLR0124 - NaN
