"""Every bad record of the directory, named at once; and what findings say to look at.

It needs nothing of Swit, so it can be told before there is a login.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from typing import Final

import pandas as pd

from swit_provisioning.reconcile.columns import Entries, column, read_entries
from swit_provisioning.reconcile.frames import DIRECTORY_FINDINGS
from swit_provisioning.reconcile.group_records import bad_groups
from swit_provisioning.reconcile.groups import Groups, read_groups
from swit_provisioning.reconcile.links import Links, read_links
from swit_provisioning.reconcile.memory import Memory
from swit_provisioning.reconcile.plan import Finding
from swit_provisioning.reconcile.policy import Policy
from swit_provisioning.reconcile.state import DirectoryFacts, DirectoryState
from swit_provisioning.reconcile.strangers import unknown_members
from swit_provisioning.reconcile.user_records import bad_users

_ABOUT: Final[Mapping[str, str]] = {
    "account claimed by two": "email",
    "address changed": "email",
    "group name changed": "group_name",
    "group without a name": "group_name",
    "language": "language",
    "name changed": "name",
    "name is kept": "group_name",
    "name taken": "group_name",
    "no address": "email",
    "no name": "name",
    "phone number": "phone_number",
    "two accounts": "email",
    "two accounts with one address": "email",
    "two groups with one name": "group_name",
    "two with one address": "email",
    "unknown member": "member",
    "unusable address": "email",
}
"""Kind -> the field that it is about, by which the facts know the attribute."""


def directory_findings(
    directory: DirectoryState, policy: Policy, memory: Memory
) -> tuple[Finding, ...]:
    """Every record of the directory that is bad whatever Swit holds, sorted, each with its DN.

    Disabled entries, excluded users and excluded groups are nobody's concern and left out.
    """
    entries, links = read_entries(directory.users), read_links(directory)
    scope = read_groups(directory, links, policy, memory)
    return in_order(bad_records(directory, entries, links, scope, policy), directory.facts)


def bad_records(
    directory: DirectoryState, entries: Entries, links: Links, scope: Groups, policy: Policy
) -> Iterator[Finding]:
    """The same for who has read entries and groups in scope already, in no order."""
    yield from _as_read(directory.findings)
    yield from bad_users(
        entries,
        policy,
        attributes=directory.facts.attributes,
        unread=unread(directory, "email"),
    )
    yield from bad_groups(directory.groups, scope.in_scope)
    yield from unknown_members(directory, scope, links)


def in_order(findings: Iterable[Finding], facts: DirectoryFacts) -> tuple[Finding, ...]:
    """Each finding once, with the attribute it is about, sorted by kind and who."""
    complete = {_with_attribute(finding, facts.attributes) for finding in findings}
    return tuple(sorted(complete, key=lambda f: (f.kind, f.subject, f.attribute, f.message)))


def unread(directory: DirectoryState, field: str) -> frozenset[str]:
    """DNs of the entries of which a value of this field (`phone_number`...) could not be read."""
    rows = directory.findings
    return frozenset(rows["dn"][rows["attribute"] == directory.facts.attributes.get(field)])


def findings_frame(findings: Iterable[Finding]) -> pd.DataFrame:
    """The frame `directory_findings`: those of the findings that are mended in the directory."""
    return DIRECTORY_FINDINGS.frame(
        {"kind": f.kind, "dn": f.subject, "attribute": f.attribute, "reason": f.message}
        for f in findings
        if f.side == "directory"
    )


def _as_read(frame: pd.DataFrame) -> Iterator[Finding]:
    names = ("kind", "dn", "attribute", "reason")
    for kind, dn, attribute, reason in zip(*(column(frame, n) for n in names), strict=True):
        yield Finding(kind=kind, subject=dn, attribute=attribute, message=reason)


def _with_attribute(finding: Finding, attributes: Mapping[str, str]) -> Finding:
    name = attributes.get(_ABOUT.get(finding.kind, ""))
    return finding if finding.attribute or not name else replace(finding, attribute=name)
