"""The connection: one `requests` session, what it never does, and what its failures mean.

Proxies and certificates come from the environment as usual (`HTTPS_PROXY`, `NO_PROXY`,
`REQUESTS_CA_BUNDLE`). No redirect is followed, no cookie kept, no `.netrc` read.
"""

from http.cookiejar import DefaultCookiePolicy
from urllib.parse import urlsplit

import requests
from requests.adapters import HTTPAdapter
from requests.auth import AuthBase

from swit_provisioning import __version__
from swit_provisioning.swit.errors import SwitUnavailableError

_LONGEST_REASON = 120

# An address that can't be is a plain ValueError in the layer below requests.
EXCHANGE_ERRORS = (requests.RequestException, ValueError)


class NoAuth(AuthBase):
    """Sends nothing. With no `auth` at all, requests would send what `.netrc` holds."""

    def __call__(self, r: requests.PreparedRequest) -> requests.PreparedRequest:
        """Leave the request as it is."""
        return r


class BearerAuth(NoAuth):
    """Sends a bearer token; a `.netrc` entry for Swit's host can't replace it."""

    def __init__(self, token: str) -> None:
        """Take the token; it shows in no `repr`."""
        self._token = token

    def __call__(self, r: requests.PreparedRequest) -> requests.PreparedRequest:
        """Add the header."""
        r.headers["Authorization"] = f"Bearer {self._token}"
        return r


def make_session(*, connections: int) -> requests.Session:
    """A session that keeps as many connections open to each host as calls are in flight."""
    session = requests.Session()
    adapter = HTTPAdapter(pool_maxsize=connections)
    session.mount("https://", adapter)
    session.mount("http://", adapter)
    session.headers["User-Agent"] = f"swit_provisioning/{__version__}"
    session.headers["Accept"] = "application/json"
    session.cookies.set_policy(DefaultCookiePolicy(allowed_domains=[]))
    return session


def unreachable(
    *, call: str, url: str, timeout_seconds: float, error: Exception
) -> SwitUnavailableError:
    """The error for a request without an answer.

    The words are our own: those of requests hold the whole address, so what was searched for.
    """
    host = urlsplit(url).netloc.rpartition("@")[2]
    if isinstance(error, ValueError):
        words = (
            f"{host or url} is no address that can be used; check SWIT_BASE_URL,"
            " SWIT_SCIM_BASE_URL and the proxy, such as https://openapi.swit.io"
        )
    elif isinstance(error, requests.Timeout):
        words = f"no answer from {host} within {timeout_seconds:g} seconds"
    elif isinstance(error, requests.exceptions.SSLError):
        words = (
            f"the certificate of {host} is not trusted ({_reason(error)}); where a proxy has its"
            " own, name its file in REQUESTS_CA_BUNDLE"
        )
    elif isinstance(error, requests.exceptions.ProxyError):
        words = f"no way to {host} through the proxy that HTTPS_PROXY names ({_reason(error)})"
    elif isinstance(error, requests.ConnectionError):
        words = f"no connection to {host} ({_reason(error)})"
    else:
        words = f"the exchange with {host} broke off ({type(error).__name__})"
    return SwitUnavailableError(call=call, message=words)


def _reason(error: requests.RequestException) -> str:
    """The innermost cause: `Connection refused`, without addresses of objects or paths."""
    cause: object = error.args[0] if error.args else error
    # urllib3 wraps the cause once more when it gives up.
    words = str(getattr(cause, "reason", None) or cause).rpartition(": ")[2].strip(" '\"")
    words = words.removesuffix(")") if words.count(")") > words.count("(") else words
    return words if words and len(words) < _LONGEST_REASON else type(error).__name__
