"""Servers that never come to an end, or begin again on the way to it."""

from swit_provisioning.directory.ldap_page import Page

# A page may be empty, where nothing in it may be seen; so many say that something is wrong.
_MOST_EMPTY_PAGES = 10_000


class Circles:
    """Watches the pages of one search.

    Cookies alone tell nothing: some servers give the same one with every page.
    """

    def __init__(self) -> None:
        """Nothing has come."""
        self._begun: set[bytes] = set()
        self._empty: set[bytes] = set()

    def empty_without_end(self, cookie: bytes) -> bool:
        """Whether another empty page, and where it says the next one begins, is one too many."""
        found = cookie in self._empty or len(self._empty) > _MOST_EMPTY_PAGES
        self._empty.add(cookie)
        return found

    def again(self, page: Page) -> str:
        """The DN that this page and an earlier one begin with, if there is one."""
        if not len(page):
            return ""
        first = bytes(page.data[page.dn.start[0] : page.dn.stop[0]])
        if first in self._begun:
            return first.decode(errors="replace")
        self._begun.add(first)
        return ""
