"""Redaction: plans, frames and texts with codes for people in place of addresses and names.

A person's address has the same code everywhere (`person 3f2a1c`), so that lines about one person
can be recognised. Names of teams and groups stay.
"""

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import replace
from hashlib import blake2s
from typing import TYPE_CHECKING, Any, Final

from swit_provisioning.planning.actions import SPECS, Action, Redaction
from swit_provisioning.planning.finding_kinds import FINDING_KINDS, current_kind
from swit_provisioning.planning.model import Change, Finding, Plan
from swit_provisioning.planning.normalize import address_key

if TYPE_CHECKING:  # most commands show no frame
    import pandas as pd

    from swit_provisioning.state.stored_plans import StoredPlan

HIDDEN: Final = "(hidden)"

_ADDRESS: Final = re.compile(r"[^\s@\"'<>(),;:=]+@[^\s@\"'<>(),;:=]*[^\s@\"'<>(),;:=.]")
# The last value of a DN cannot be separated from the words after it, so it ends at a space.
_VALUE: Final = r"(?:\\.|[^\\,;+=\n])+"
_PERSONS_DN: Final = re.compile(
    rf"\b(?:cn|uid|mail|sn|samaccountname|employeenumber|[0-9]+(?:\.[0-9]+)+)={_VALUE}"
    rf"(?:[,+]\s*[a-z][\w.-]*={_VALUE})*[,+]\s*[a-z][\w.-]*=(?:\\.|[^\\\s,;])+|"
    rf"\b(?:cn|uid)=(?:\\.|[^\\\s,;])+",
    re.IGNORECASE,
)
_NO_DATE: Final = r"(?![0-9]{4}-[0-9]{2}-[0-9]{2}\b)"
_NUMBER: Final = re.compile(rf"(?<![\w.+-]){_NO_DATE}\+?\(?[0-9][0-9 ()/-]{{6,}}[0-9](?![\w-])")
# A value as `repr` writes it; the apostrophe of "doesn't" does not begin one.
_QUOTED: Final = re.compile(r"(?<!\w)(?:'(?:\\.|[^'\\])*'|\"(?:\\.|[^\"\\])*\")(?!\w)")


def code_of(value: str) -> str:
    """The code of the person with this address or DN, compared without case."""
    return f"person {blake2s(address_key(value).encode(), digest_size=3).hexdigest()}"


def without_people_in(text: str) -> str:
    """The text with codes for addresses and DNs of people, and without phone numbers.

    Names cannot be recognised in a text.
    """
    text = _PERSONS_DN.sub(lambda found: code_of(found[0]), text)
    text = _ADDRESS.sub(lambda found: code_of(found[0]), text)
    return _NUMBER.sub(HIDDEN, text)


def without_people(plan: Plan) -> Plan:
    """The plan with codes for people. It cannot be sent, and its id differs."""
    return replace(
        plan,
        changes=tuple(map(change_without_people, plan.changes)),
        disabled=tuple(map(change_without_people, plan.disabled)),
        held=tuple(map(change_without_people, plan.held)),
        waiting=tuple(map(change_without_people, plan.waiting)),
        findings=tuple(map(finding_without_people, plan.findings)),
        person=code_of(plan.person) if plan.person else "",
    )


def stored_without_people(stored: "StoredPlan") -> "StoredPlan":
    """The stored plan with codes for people, but with the same id."""
    results = tuple({**r, "message": without_people_in(r["message"])} for r in stored.guard_results)
    return replace(stored, plan=without_people(stored.plan), guard_results=results)


def change_without_people(change: Change) -> Change:
    """The change with codes for the people that it concerns."""
    return replace(
        change,
        change_id=without_people_in(change.change_id),
        object_id=without_people_in(change.object_id),
        target=hidden_target(change.action, change.target),
        before=hidden_values(change.action, change.before),
        after=hidden_values(change.action, change.after),
        depends_on=tuple(map(without_people_in, change.depends_on)),
        reason=without_people_in(change.reason),
    )


def finding_without_people(finding: Finding) -> Finding:
    """The finding with a code for its subject, if that may be a person."""
    kind = FINDING_KINDS.get(current_kind(finding.kind))
    people = kind.people if kind else "subject"
    if people == "none":
        return finding
    if people == "message":
        return replace(finding, message=without_people_in(finding.message))
    message = _QUOTED.sub(HIDDEN, finding.message)
    return replace(finding, subject=code_of(finding.subject), message=without_people_in(message))


def hidden_target(action: Action, target: str) -> str:
    """The target of a change, or a code if it is a person."""
    shown: str = _hidden(target, SPECS[action].personal.get("target"))
    return shown


def hidden_values(action: Action, values: Mapping[str, Any]) -> dict[str, Any]:
    """The values of a change, redacted as the table of actions says."""
    personal = SPECS[action].personal
    return {key: _hidden(value, personal.get(key)) for key, value in values.items()}


def _hidden(value: Any, redaction: Redaction | None) -> Any:  # noqa: ANN401 - a value of a change
    """A value, or each of several values, redacted; unchanged without a `redaction`."""
    if redaction is None or not value:
        return value
    hide = _HIDE[redaction]
    return list(map(hide, value)) if isinstance(value, list | tuple) else hide(value)


_HIDE: Final[Mapping[Redaction, Callable[[str], str]]] = {
    "code": code_of,
    "hide": lambda _value: HIDDEN,
    "mask": without_people_in,
}

_PERSONAL_COLUMNS: Final[Mapping[str, Mapping[str, Redaction]]] = {
    "idp_users": {
        "key": "code",
        "dn": "code",
        "emails": "code",
        "other_emails": "code",
        "names": "hide",
        "phone_numbers": "hide",
    },
    "idp_memberships": {"member": "code", "member_dn": "code"},
    "swit_users": {"email": "code", "name": "hide", "phone_number": "hide"},
}
"""Asset -> the columns that hold people, and how each is shown."""


def frame_without_people(name: str, frame: "pd.DataFrame") -> "pd.DataFrame":
    """Rows of the asset `name` with codes for people; the columns stay the same."""
    columns = set(frame.columns)
    if {"action", "target"} <= columns:
        actions = frame["action"].tolist()
        targets = [hidden_target(*row) for row in zip(actions, frame["target"], strict=True)]
        shown = frame.assign(target=targets)
        for name_of_values in {"before", "after"} & columns:
            values = zip(actions, map(json.loads, frame[name_of_values]), strict=True)
            hidden_rows = [hidden_values(*row) for row in values]
            shown[name_of_values] = [json.dumps(row, ensure_ascii=False) for row in hidden_rows]
        for text in {"change_id", "object_id", "reason", "message"} & columns:
            shown[text] = _hidden_column(frame[text], "mask")
        return shown
    if {"kind", "reason"} <= columns:
        subject = "dn" if "dn" in columns else "subject"
        rows = zip(frame["kind"], frame[subject], frame["reason"], strict=True)
        findings = [
            finding_without_people(Finding(kind=kind, subject=about, message=message))
            for kind, about, message in rows
        ]
        subjects = {subject: [finding.subject for finding in findings]}
        return frame.assign(**subjects, reason=[finding.message for finding in findings])
    columns_to_hide = {c: how for c, how in _PERSONAL_COLUMNS.get(name, {}).items() if c in columns}
    return frame.assign(**{c: _hidden_column(frame[c], how) for c, how in columns_to_hide.items()})


def _hidden_column(values: "pd.Series[Any]", redaction: Redaction) -> list[Any]:
    rows = zip(values.tolist(), values.isna(), strict=True)
    return [None if is_missing else _hidden(value, redaction) for value, is_missing in rows]
