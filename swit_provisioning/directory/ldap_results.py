"""What a server's result codes mean for a read, and what to do about each."""

from collections.abc import Mapping

from ldap3.core.results import RESULT_CODES

from swit_provisioning.directory.errors import (
    DirectoryConfigError,
    DirectoryError,
    DirectoryIncompleteError,
    DirectoryUnavailableError,
)
from swit_provisioning.directory.ldap_wire import Result

SUCCESS = 0
REFERRAL = 10
NO_SUCH_OBJECT = 32
INVALID_CREDENTIALS = 49

_UNAVAILABLE = {51, 52}
# Something that somebody has to set right; every other code is an incomplete read.
_CONFIG = {7, 8, 12, 13, 18, 32, 34, 48, 49, 50}

_ENCRYPT = "The server wants an encrypted connection: LDAP_TLS=ldaps or starttls."
_CUT_SHORT = "limit cut the answer short: raise it for the account that reads"
_ADVICE: Mapping[int, str] = {
    3: f"The server's time {_CUT_SHORT}.",
    4: (
        f"The server's size {_CUT_SHORT} (OpenLDAP: limits dn.exact=... size=unlimited), or set"
        " LDAP_PAGE_SIZE below the limit (389 Directory Server limits each page): try"
        " LDAP_PAGE_SIZE=200."
    ),
    7: "The server takes no password from anyone: ask who runs it.",
    8: _ENCRYPT,
    10: (
        "The server says that this part is kept by another server. Referrals aren't followed,"
        " because that would send the password there: name the server that keeps it in"
        " LDAP_SERVER_DOMAIN."
    ),
    11: (
        f"The server's administrative {_CUT_SHORT} (389 Directory Server:"
        " nsPagedLookThroughLimit of that account), or lower LDAP_PAGE_SIZE."
    ),
    12: (
        "The server doesn't offer paged results to this account, without which a long answer"
        " can't be read safely: allow them."
    ),
    13: _ENCRYPT,
    18: "The server can't use the filter: look at LDAP_USER_FILTER and LDAP_GROUP_FILTER.",
    32: (
        "It does not exist, or LDAP_USER may not see it: look at LDAP_SEARCH_BASE, LDAP_USER_OUS"
        " and LDAP_GROUP_OUS (separate several by `;` where one holds a comma)."
    ),
    34: (
        "The server doesn't take that for a distinguished name: look at LDAP_SEARCH_BASE,"
        " LDAP_USER_OUS, LDAP_GROUP_OUS and LDAP_USER."
    ),
    48: "The account may not log in this way: look at LDAP_USER.",
    49: "Look at LDAP_USER and LDAP_PASSWORD.",
    50: "LDAP_USER may not read this: give it the right to.",
    51: "The server is busy: try again later.",
    52: "The server is going down or coming up: try again later.",
}
_DEFAULT_ADVICE = "Nothing of what was read is used; ask who runs the server."

# Active Directory tells in the text of result 49 why it refused.
_AD_REFUSALS = {
    "data 525": "there is no such account",
    "data 52e": "no such account, or the password is wrong",
    "data 530": "the account may not log in at this time",
    "data 531": "the account may not log in from here",
    "data 532": "the password has expired",
    "data 533": "the account is disabled",
    "data 701": "the account has expired",
    "data 773": "the password has to be changed first",
    "data 775": "the account is locked",
}


def failure(result: Result, *, doing: str, got: int | None = None) -> DirectoryError:
    """Make the error for a result code other than 0.

    Args:
        result: what the server answered.
        doing: server and what was asked of it, as the message begins.
        got: how many entries had come by then; `None` where none could.

    """
    code = result.code
    said = result.message.strip("\0 \n")
    parts = [f"{doing}: the server answered {code} {RESULT_CODES.get(code, '')}".rstrip()]
    if said:
        parts.append(f" ({said})")
    if got is not None:
        parts.append(f" after {got} entries")
    if code == NO_SUCH_OBJECT and result.matched_dn:
        parts.append(f"; what exists is {result.matched_dn!r}")
    reason = next((text for mark, text in _AD_REFUSALS.items() if mark in said.lower()), None)
    if code == INVALID_CREDENTIALS:
        parts.append(f": {reason or 'no such account, or the password is wrong'}")
    return _kind(code)(f"{''.join(parts)}. {_ADVICE.get(code, _DEFAULT_ADVICE)}")


def _kind(code: int) -> type[DirectoryError]:
    if code in _UNAVAILABLE:
        return DirectoryUnavailableError
    return DirectoryConfigError if code in _CONFIG else DirectoryIncompleteError
