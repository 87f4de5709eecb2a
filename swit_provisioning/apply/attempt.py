"""One change on its way: its calls are counted."""

from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from typing import ParamSpec, TypeVar

from swit_provisioning.apply.readback import Accounts
from swit_provisioning.apply.record import Record
from swit_provisioning.reconcile.plan import Change
from swit_provisioning.swit.client import SwitClient
from swit_provisioning.swit.errors import SwitError

P = ParamSpec("P")
T = TypeVar("T")


@dataclass(kw_only=True)
class Attempt:
    """What sending one change takes."""

    change: Change
    client: SwitClient
    record: Record
    accounts: Accounts
    """As they were read back after memberships had changed; nobody where they were not."""
    again: bool
    """Whether an earlier call for it may have reached Swit, its answer lost."""
    leavers: Collection[str]
    """Users whom the plan deactivates or removes: their memberships don't count by themselves."""
    wait: Callable[[float], None]
    """Sleeps for so many seconds."""
    calls: int = 0
    """Requests sent, the client's own repetitions counted."""
    http_status: int | None = None
    """Of the last answer; `None` where there was none."""
    error: SwitError | None = None
    """What the newest call that went wrong said."""
    changed_members: list[str] = field(default_factory=list)
    """Users whose membership this change has added or removed so far."""

    def call(self, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Call a method of the client."""
        before = self.client.calls_here
        try:
            return function(*args, **kwargs)
        except SwitError as error:
            self.error = error
            raise
        finally:
            sent = self.client.calls_here - before
            self.calls += sent
            if sent:
                self.http_status = self.client.status_here

    def counted_members(self) -> dict[str, int]:
        """The changed memberships that count against the limits; those of leavers do not."""
        counted = sum(user not in self.leavers for user in self.changed_members)
        return {self.change.action: counted} if counted else {}

    def swit_id(self, object_id: str) -> str:
        """Swit's id of an object whose making was found to be done before the attempt."""
        found = self.record.swit_id(object_id)
        if found is None:
            message = f"{object_id} was not made"
            raise LookupError(message)
        return found
