"""What is wrong with users' entries, whatever Swit holds."""

from collections.abc import Iterator, Mapping
from collections.abc import Set as AbstractSet

from swit_provisioning.reconcile.columns import Entries
from swit_provisioning.reconcile.people import excludes, written_address
from swit_provisioning.reconcile.plan import Finding
from swit_provisioning.reconcile.policy import Policy
from swit_provisioning.reconcile.text import (
    address_key,
    changed_name,
    choose_phone,
    clean_name,
    others,
    usable_address,
)


def bad_users(
    entries: Entries,
    policy: Policy,
    *,
    attributes: Mapping[str, str],
    unread: AbstractSet[str] = frozenset(),
) -> Iterator[Finding]:
    """Findings about addresses, names and phone numbers of all users that are in scope.

    Args:
        entries: the enabled people.
        policy: says who is out of scope.
        attributes: what the directory calls `other_email`.
        unread: DNs of entries with an address that can't be read, which is a finding already.

    """
    is_out = excludes(policy)
    addresses = [sorted(set(own)) for own in entries.addresses]
    with_others = [
        sorted({*own, *more}) if more else own
        for own, more in zip(addresses, entries.other_addresses, strict=True)
    ]
    shared = _shared(with_others)
    for place, own in enumerate(addresses):
        if own and all(map(is_out, own)):
            continue
        yield from _addresses(entries, place, own, unread)
        yield from _two_with_one_address(entries, place, with_others[place], shared, attributes)
        yield from _name(entries.dn[place], entries.names[place])
        if choose_phone(entries.phone_numbers[place], None) is None:
            written = ", ".join(sorted(entries.phone_numbers[place]))
            yield Finding(
                kind="phone number",
                subject=entries.dn[place],
                message=f"The value {written!r} is no phone number and is not looked at. Correct"
                " it in the directory.",
            )


def _shared(addresses: list[list[str]]) -> dict[str, list[int]]:
    """Address -> places of the entries that have it, of those that two have or more."""
    holders: dict[str, list[int]] = {}
    for place, own in enumerate(addresses):
        for address in own:
            holders.setdefault(address, []).append(place)
    return {address: places for address, places in holders.items() if len(places) > 1}


def _addresses(
    entries: Entries, place: int, own: list[str], unread: AbstractSet[str]
) -> Iterator[Finding]:
    dn, emails = entries.dn[place], entries.emails[place]
    # Nearly all entries have usable addresses only; then there is nothing to look for.
    written = sorted({text.strip() for text in emails} - {""}) if len(own) < len(emails) else ()
    bad = [text for text in written if not usable_address(address_key(text))]
    left_alone = "" if own else " It has no other, so the account that it last had is left alone."
    for text in bad:
        yield Finding(
            kind="unusable address",
            subject=dn,
            message=f"The value {text!r} can't be an e-mail address and is not used.{left_alone}"
            " Correct it in the directory.",
        )
    if not (own or bad or dn in unread):
        yield Finding(
            kind="no address",
            subject=dn,
            message="The entry has no e-mail address, so the account that it last had is left"
            " alone. Give the entry an address, or disable it.",
        )


def _two_with_one_address(
    entries: Entries,
    place: int,
    addresses: list[str],
    shared: Mapping[str, list[int]],
    attributes: Mapping[str, str],
) -> Iterator[Finding]:
    dn, emails = entries.dn[place], [*entries.emails[place], *entries.other_emails[place]]
    for address in addresses:
        if address in shared:
            holders = shared[address]
            other = next(holder for holder in holders if holder != place)
            also = others(entries.dn[other], len(holders) - 1)
            is_main = address in entries.addresses[place]
            yield Finding(
                kind="two with one address",
                subject=dn,
                attribute=attributes.get("email" if is_main else "other_email", ""),
                message=f"The address {written_address(emails, address)} is also that of {also};"
                " all of them, and the account, are left alone. Leave each address to one entry.",
            )


def _name(dn: str, names: list[str]) -> Iterator[Finding]:
    cleaned = [clean_name(name) for name in names]
    if not any(cleaned):
        yield Finding(
            kind="no name",
            subject=dn,
            message="The entry has no usable name; no account is made for it, and an account"
            " that it has keeps its name. Give it a display name.",
        )
    for name, would_be in zip(names, cleaned, strict=True):
        if clean := changed_name(name, would_be):
            yield Finding(
                kind="name changed",
                subject=dn,
                message=f"The name {name!r} holds characters that Swit doesn't take; it becomes"
                f" {clean!r}. Write it without @ # < > § ▒ {{ }} ; * and control characters.",
            )
