"""A plan or a text without people: codes for addresses and DNs, nothing for the rest.

One person has one code wherever an address stands for them (`person 3f2a1c`), so that two lines
about one person can be told to be about one. Names of teams and groups are left as they are.
"""

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from hashlib import blake2s
from typing import Any, Final

from swit_provisioning.planning.actions import SPECS, Action, Redaction
from swit_provisioning.planning.model import Change, Finding, Plan
from swit_provisioning.planning.normalize import address_key

HIDDEN: Final = "(hidden)"

_ADDRESS: Final = re.compile(r"[^\s@\"'<>(),;:=]+@[^\s@\"'<>(),;:=]*[^\s@\"'<>(),;:=.]")
# The value of the last part of a DN can't be told from the words behind it, so it ends at a space.
_VALUE: Final = r"(?:\\.|[^\\,;+=\n])+"
_PERSONS_DN: Final = re.compile(
    rf"\b(?:cn|uid|mail|sn|samaccountname|employeenumber|[0-9]+(?:\.[0-9]+)+)={_VALUE}"
    rf"(?:[,+]\s*[a-z][\w.-]*={_VALUE})*[,+]\s*[a-z][\w.-]*=(?:\\.|[^\\\s,;])+|"
    rf"\b(?:cn|uid)=(?:\\.|[^\\\s,;])+",
    re.IGNORECASE,
)
_NO_DATE: Final = r"(?![0-9]{4}-[0-9]{2}-[0-9]{2}\b)"
_NUMBER: Final = re.compile(rf"(?<![\w.+-]){_NO_DATE}\+?\(?[0-9][0-9 ()/-]{{6,}}[0-9](?![\w-])")
# As `repr` writes a value; the apostrophe of "doesn't" begins none.
_QUOTED: Final = re.compile(r"(?<!\w)(?:'(?:\\.|[^'\\])*'|\"(?:\\.|[^\"\\])*\")(?!\w)")

_ABOUT_GROUPS: Final = frozenset(
    {
        "group without a name",
        "group name changed",
        "two groups with one name",
        "two groups with one id",
        "several parents",
        "ring",
        "parent passed over",
        "team kept",
        "name is kept",
        "name taken",
        "member count",
        "unmanaged team",
    }
)
"""Kinds of findings that name groups and teams only; any other one may name people."""
_OF_A_GROUP: Final = "unknown member"
"""The one that names a group and, in its message, somebody who may be a person."""

Hide = Callable[[Any], Any]
"""How a value of one kind is shown."""


def code_of(value: str) -> str:
    """The code that stands for the person of this address or DN; without case."""
    return f"person {blake2s(address_key(value).encode(), digest_size=3).hexdigest()}"


def without_people_in(text: str, names: Iterable[str] = ()) -> str:
    """The text with codes for addresses and DNs of people; numbers and these names hidden.

    For messages, logs, errors: a name that nobody gives can't be told from any other word.
    """
    for name in sorted({n for n in names if n.strip()}, key=len, reverse=True):
        text = text.replace(name, HIDDEN)
    text = _PERSONS_DN.sub(lambda found: code_of(found[0]), text)
    text = _ADDRESS.sub(lambda found: code_of(found[0]), text)
    return _NUMBER.sub(HIDDEN, text)


def without_people(plan: Plan) -> Plan:
    """The plan for people to read; it can't be sent, and its id isn't that of the plan."""
    return replace(
        plan,
        changes=tuple(map(change_without_people, plan.changes)),
        disabled=tuple(map(change_without_people, plan.disabled)),
        held=tuple(map(change_without_people, plan.held)),
        findings=tuple(map(finding_without_people, plan.findings)),
    )


def change_without_people(change: Change) -> Change:
    """The change with codes for the people it is about."""
    return replace(
        change,
        change_id=without_people_in(change.change_id),
        object_id=without_people_in(change.object_id),
        target=hidden_target(change.action, change.target),
        before=hidden_values(change.action, change.before),
        after=hidden_values(change.action, change.after),
        depends_on=tuple(map(without_people_in, change.depends_on)),
    )


def finding_without_people(finding: Finding) -> Finding:
    """The finding with a code for the entry it is about, if that may be a person's."""
    if finding.kind in _ABOUT_GROUPS:
        return finding
    if finding.kind == _OF_A_GROUP:
        return replace(finding, message=without_people_in(finding.message))
    message = _QUOTED.sub(HIDDEN, finding.message)
    return replace(finding, subject=code_of(finding.subject), message=without_people_in(message))


def hidden_target(action: Action, target: str) -> str:
    """What a change is about: a code where that is a person."""
    shown: str = hidden(target, _WAYS.get(SPECS[action].personal.get("target")))
    return shown


def hidden_values(action: Action, values: Mapping[str, Any]) -> dict[str, Any]:
    """What a change holds before or after; a team's are no person's but for its members."""
    personal = SPECS[action].personal
    return {key: hidden(value, _WAYS.get(personal.get(key))) for key, value in values.items()}


def hidden(value: Any, way: Hide | None) -> Any:  # noqa: ANN401 - a value of a change
    """A value, or each of several, as `way` shows it; without one as it is."""
    if way is None or not value:
        return value
    return list(map(way, value)) if isinstance(value, list | tuple) else way(value)


def nothing_of(_value: object) -> str:
    """No more than that there is something."""
    return HIDDEN


_WAYS: Final[Mapping[Redaction | None, Hide]] = {
    "code": code_of,
    "hide": nothing_of,
    "mask": without_people_in,
}
