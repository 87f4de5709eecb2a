"""What a Swit team's `reference` says, compared as directory keys are."""

from functools import lru_cache

from swit_provisioning.reconcile.dn import InvalidDN, dn_key


@lru_cache(maxsize=400_000)
def _distinguished_name(text: str) -> str | None:
    try:
        return dn_key(text)
    except InvalidDN:
        return None


def as_dn(text: str) -> str | None:
    """The normal form (RFC 4514) of a distinguished name, `None` for any other text."""
    return _distinguished_name(text.strip()) if "=" in text else None


def reference_key(text: str | None) -> str:
    """A reference as it is compared: a DN in normal form, anything else without case.

    `""` stands for no reference. The braces that some tools write around a GUID don't count.
    """
    if text is None:
        return ""
    return as_dn(text) or text.strip().strip("{}").casefold()
