"""Parts of an answer that are kept elsewhere: which of them hold no people and no groups."""

from urllib.parse import unquote, urlsplit

from swit_provisioning.reconcile.dn import InvalidDN, dn_key

# Parts of every Active Directory that the root's search points to. No people and no groups are in
# them; every other reference means that something is kept elsewhere, so the answer isn't whole.
_WITHOUT_PEOPLE = ("cn=configuration,", "dc=domaindnszones,", "dc=forestdnszones,")


def holds_no_people(url: str) -> bool:
    """Whether a reference (`ldap://host/dn`) may be passed over."""
    try:
        key = dn_key(unquote(urlsplit(url).path.removeprefix("/")))
    except (InvalidDN, ValueError):
        return False
    return key.startswith(_WITHOUT_PEOPLE)
