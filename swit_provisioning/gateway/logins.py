"""Logins that were begun here and have not come back from Swit.

Each belongs to one browser, by a cookie that only it has, and ends one login within ten minutes.
What somebody else could try, and why it fails:

* To have this gateway act for an account of their own (login CSRF): a login is begun only by who
  knows the key, and the callback wants the cookie of the browser that began and the state that
  Swit gives back, both of which nobody can guess.
* To use a callback twice, or a code that was caught on the way: a login is forgotten when it comes
  back, and the proof key never left this process.
* To let an administrator of another organisation log in: `SWIT_ORGANIZATION` and the organisation
  that the state is bound to are asked before anything is stored; what was stored stays.

They rest in memory: whoever restarts the gateway in the middle begins anew.
"""

import secrets
import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from typing import Final

from swit_provisioning.swit.login import Login

LOGIN_SECONDS: Final = 600
_MOST: Final = 100
_TICKET_BYTES: Final = 32


class BegunLogins:
    """Ticket (what the cookie holds) -> login. Safe for several threads."""

    def __init__(self, *, clock: Callable[[], float] = time.monotonic) -> None:
        """Begin with none; `clock` gives seconds."""
        self._clock = clock
        self._lock = threading.Lock()
        self._begun: OrderedDict[str, tuple[float, Login]] = OrderedDict()

    def add(self, login: Login) -> str:
        """Remember a login; the ticket for its browser. The oldest goes where there are many."""
        ticket = secrets.token_urlsafe(_TICKET_BYTES)
        with self._lock:
            self._begun[ticket] = (self._clock() + LOGIN_SECONDS, login)
            if len(self._begun) > _MOST:
                self._begun.popitem(last=False)
        return ticket

    def look(self, ticket: str) -> Login | None:
        """The login of a ticket that has not run out."""
        with self._lock:
            ends, login = self._begun.get(ticket, (0.0, None))
        return login if ends > self._clock() else None

    def end(self, ticket: str) -> bool:
        """Forget it; whether it was still there. Of two callbacks one hears `True`."""
        with self._lock:
            return self._begun.pop(ticket, None) is not None
