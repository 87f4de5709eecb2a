"""Whether a night changed in Swit what it should, and nothing else."""

from dataclasses import dataclass
from typing import Any

from swit_provisioning.sandbox.organisation import Organisation
from swit_provisioning_tests.reliability.drift import People, Units


@dataclass(frozen=True, kw_only=True)
class Seen:
    """An organisation as it stands, by what identifies people and teams on both sides."""

    people: People
    """Those whose account is active."""
    away: frozenset[str]
    """Addresses of accounts that are not."""
    units: Units
    """Teams with a reference."""
    others: tuple[Any, ...]
    """All that no directory answers for: word for word."""


def seen(organisation: Organisation, others: frozenset[str]) -> Seen:
    """Look; `others` are the addresses of accounts that are no affair of the directory."""
    state = organisation.snapshot()
    own = {state["root_id"], state["unassigned_id"]}
    emails = {user["id"]: user["email"] for user in state["users"]}
    active = {user["id"] for user in state["users"] if user["active"]}
    references = {team["id"]: team["reference"] for team in state["teams"]}
    ours = [u for u in state["users"] if u["email"] not in others]
    managed = [t for t in state["teams"] if t["reference"] and t["id"] not in own]
    by_hand = [t for t in state["teams"] if not t["reference"] and t["id"] not in own]
    return Seen(
        people={u["email"]: (u["name"], u["phone_number"]) for u in ours if u["active"]},
        away=frozenset(u["email"] for u in ours if not u["active"]),
        units={
            t["reference"]: (
                t["name"],
                references.get(t["parent_id"]),
                frozenset(emails[user] for user in t["user_ids"] if user in active),
            )
            for t in managed
        },
        others=(
            tuple(str(u) for u in state["users"] if u["email"] in others),
            tuple((t["id"], t["name"], t["parent_id"], tuple(t["user_ids"])) for t in by_hand),
        ),
    )


def unwanted(before: Seen, after: Seen, people: People, units: Units) -> list[str]:
    """What is neither as it was nor as the directory says, in words; empty: all is well."""
    found = []
    if after.others != before.others:
        found.append("what is no affair of the directory was changed")
    for email, person in after.people.items():
        was, wanted = before.people.get(email), people.get(email)
        if any(part not in _either(was, wanted, i) for i, part in enumerate(person)):
            found.append(f"{email} is {person}, was {was}, is wanted as {wanted}")
    gone = {e for e in before.people if e in people and e not in after.people}
    found += [f"{email} lost the account" for email in sorted(gone)]
    for reference, (name, parent, members) in after.units.items():
        was_unit, wanted_unit = before.units.get(reference), units.get(reference)
        if name not in _either(was_unit, wanted_unit, 0):
            found.append(f"{reference} is called {name}")
        if parent not in _either(was_unit, wanted_unit, 1):
            found.append(f"{reference} is below {parent}")
        had = was_unit[2] if was_unit else frozenset()
        shall = wanted_unit[2] if wanted_unit else frozenset()
        found += [f"{reference} has got {email}" for email in sorted(members - had - shall)]
        found += [f"{reference} has lost {email}" for email in sorted((had & shall) - members)]
    lost = {r for r in before.units if r in units and r not in after.units}
    return found + [f"the team of {reference} is gone" for reference in sorted(lost)]


def _either(was: Any, wanted: Any, part: int) -> list[Any]:  # noqa: ANN401 - a row of either kind
    return [row[part] for row in (was, wanted) if row is not None]
