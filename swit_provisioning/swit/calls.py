"""Every call we make: its name, its path, and whether it may be sent twice. Paths stand only here.

Creations and membership changes may not. If the answer to a creation is lost, the caller looks up
whether the object was made. If the answer to a membership change is lost, the caller reads the
team back: a batch that Swit does not manage in time fails the same way each time it is sent.
"""

from dataclasses import dataclass
from typing import Literal
from urllib.parse import quote

from swit_provisioning.swit.errors import SwitRejectedError

AUTHORIZE_PATH = "/oauth/authorize"
TOKEN_PATH = "/oauth/token"  # noqa: S105 - a path
MIB = 1024 * 1024


@dataclass(frozen=True, kw_only=True)
class Call:
    """One call: `host` says which of Swit's two addresses it goes to."""

    name: str
    method: Literal["GET", "POST", "PATCH"]
    host: Literal["api", "scim"] = "api"
    repeatable: bool = True
    most_bytes: int = 32 * MIB
    """How large an answer may be, unpacked. A thousand users in many teams are about 16 MiB."""

    def path(self, object_id: str = "") -> str:
        """Its path below the host's base address; SCIM names the object in the path.

        Raises:
            SwitRejectedError: the id would change the path.

        """
        if self.host == "scim":
            # Quoting leaves dots as they are, and `/Users/..` is the address above.
            if object_id in {"", ".", ".."}:
                message = f"the id {object_id!r} cannot be part of an address; nothing was sent"
                raise SwitRejectedError(call=self.name, message=message)
            return f"/Users/{quote(object_id, safe='')}"
        return f"/v1/api/{self.name}"


def _read(name: str, *, most_bytes: int = 32 * MIB) -> Call:
    return Call(name=name, method="GET", most_bytes=most_bytes)


def _write(name: str, *, repeatable: bool = True) -> Call:
    return Call(name=name, method="POST", repeatable=repeatable)


USER_INFO = _read("user.info")
ORGANIZATION_INFO = _read("organization.info")
ORGANIZATION_USER_INFO = _read("organization.user.info")
LIST_USERS = _read("organization.user.list")
# All teams with all members in one answer: 5,000,000 memberships are about 120 MiB.
LIST_TEAMS = _read("user.team.list", most_bytes=256 * MIB)

CREATE_USER = _write("organization.user.create", repeatable=False)
UPDATE_USER = Call(name="SCIM Users", method="PATCH", host="scim")
DEACTIVATE_USER = _write("organization.user.deactivate")
ACTIVATE_USER = _write("organization.user.activate")
REMOVE_USER = _write("organization.user.remove")

CREATE_TEAM = _write("team.create", repeatable=False)
UPDATE_TEAM = _write("team.update")
DELETE_TEAM = _write("team.delete")
SORT_TEAMS = _write("team.sort")
ADD_TEAM_USERS = _write("team.user.add", repeatable=False)
REMOVE_TEAM_USERS = _write("team.user.remove", repeatable=False)
UPDATE_PRIMARY_TEAM = _write("team.user.primary.update")
