"""Which changes of one step wait for which others; all others may go side by side."""

from collections.abc import Sequence

from swit_provisioning.reconcile.plan import Change


def predecessors(changes: Sequence[Change]) -> dict[str, set[str]]:
    """Change id -> ids of those changes of the same step that must be through before it.

    That is what it depends on; an earlier change of the same object; and, because Swit appends
    in the order of arrival, the one that arrives before it under the same parent.
    """
    before: dict[str, set[str]] = {}
    newest: dict[str, str] = {}
    arrived: dict[str, str] = {}
    for change in changes:
        waits = {needed for needed in change.depends_on if needed in before}
        if change.object_id in newest:
            waits.add(newest[change.object_id])
        parent = change.after.get("parent_id")
        if parent in arrived:
            waits.add(arrived[parent])
        if parent is not None:
            arrived[parent] = change.change_id
        newest[change.object_id] = change.change_id
        before[change.change_id] = waits
    return before
