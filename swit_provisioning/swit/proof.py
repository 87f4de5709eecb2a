"""What proves that a read of Swit is complete; whatever is missing, doubled or moving is an error.

A read that was taken for complete and wasn't makes a sync deactivate people.
"""

from collections.abc import Collection, Mapping, Sequence

from swit_provisioning.swit.calls import LIST_TEAMS, LIST_USERS, Call
from swit_provisioning.swit.errors import SwitIncompleteReadError
from swit_provisioning.swit.models import AuthorisedUser, Team, User, UserPage

ADMINISTRATORS = frozenset({10, 20})
"""Roles that may read and change everybody: master, admin."""

_NAMED = 5


def incomplete(call: Call, problem: str) -> SwitIncompleteReadError:
    """The error for a read that is not proved complete."""
    return SwitIncompleteReadError(call=call.name, message=problem)


def prove_page(
    answer: UserPage, *, page: int, page_size: int, before: Collection[str], total: int | None
) -> None:
    """One page fits those before it: `before` are the ids read, `total` the users counted then.

    Raises:
        SwitIncompleteReadError: the total moved, a user came twice or one too many, or the page
            is short and not the last.

    """
    ids = [user.user_id for user in answer.users]
    read = len(before) + len(ids)
    if total is not None and answer.total_rows != total:
        problem = f"the total went from {total} to {answer.total_rows} while paging"
    elif twice := len(ids) - len(set(ids).difference(before)):
        problem = f"users that came twice: {twice} (page {page})"
    elif read > answer.total_rows:
        problem = f"{read} users came where Swit counts {answer.total_rows}"
    elif len(ids) < page_size and read < answer.total_rows:
        problem = f"page {page} came short: {read} of {answer.total_rows} users were read"
    else:
        return
    raise incomplete(LIST_USERS, problem)


def prove_authorised(me: AuthorisedUser, users: Sequence[User]) -> None:
    """The account that reads is in the list, active, and an administrator who sees everybody."""
    mine = next((user for user in users if user.user_id == me.user_id), None)
    if mine is None:
        problem = f"is not among the {len(users)} users"
    elif not mine.active:
        problem = "is not active"
    elif mine.role not in ADMINISTRATORS:
        problem = f"is no master or admin (its role is {mine.role}), so it may not see everybody"
    else:
        return
    raise incomplete(
        LIST_USERS, f"the account that the token belongs to (id {me.user_id}) {problem}"
    )


def prove_tree(teams: Sequence[Team]) -> Team:
    """The root, once every team is there only once and hangs from it."""
    by_id = {team.team_id: team for team in teams}
    roots = [team for team in teams if _is_root(team)]
    if len(by_id) != len(teams):
        problem = f"teams that came twice: {len(teams) - len(by_id)}"
    elif len(roots) != 1:
        problem = f"there must be one root team, found: {_count(roots)}"
    elif lost := [t for t in teams if not _is_root(t) and t.parent_id not in by_id]:
        problem = f"teams whose parent is not in the list: {_count(lost)}"
    elif ring := [team for team in teams if not _hangs_from(roots[0], team, by_id)]:
        problem = f"teams below each other in a ring: {_count(ring)}"
    else:
        return roots[0]
    raise incomplete(LIST_TEAMS, problem)


def some(words: Sequence[str]) -> str:
    """The first few, and how many more there are."""
    more = len(words) - _NAMED
    return ", ".join(words[:_NAMED]) + (f" and {more} more" if more > 0 else "")


def _is_root(team: Team) -> bool:
    return team.parent_id is None if team.depth is None else team.depth == 0


def _hangs_from(root: Team, team: Team, by_id: Mapping[str, Team]) -> bool:
    for _ in by_id:
        if team is root:
            return True
        team = by_id[team.parent_id or root.team_id]
    return team is root


def _count(teams: Sequence[Team]) -> str:
    names = some([team.name or team.team_id for team in teams])
    return f"{len(teams)} ({names})" if teams else "0"
