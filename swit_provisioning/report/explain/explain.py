"""Why a person or a team is in or out: everybody who is meant, each explained."""

from dataclasses import dataclass

from swit_provisioning.planning.baselines import is_complete
from swit_provisioning.planning.memory import Memory
from swit_provisioning.planning.model import Plan, Policy
from swit_provisioning.planning.planner import Read, decide
from swit_provisioning.planning.snapshots import DirectorySnapshot, OrganizationSnapshot
from swit_provisioning.report.explain.lookup import Person, Subjects
from swit_provisioning.report.explain.model import Explained
from swit_provisioning.report.explain.people import explain_person
from swit_provisioning.report.explain.teams import explain_team


@dataclass(frozen=True, kw_only=True)
class Answer:
    """Everybody who is meant; if nobody is, what looks like it."""

    explained: tuple[Explained, ...]
    similar: tuple[str, ...] = ()


def explain(
    who: str,
    directory: DirectorySnapshot,
    swit: OrganizationSnapshot,
    policy: Policy,
    memory: Memory,
    plan: Plan,
) -> Answer:
    """Explain whoever has this address, DN or id, or is called so; `plan` is of these very reads.

    Raises:
        IncompleteReadError: nobody can be explained by a read that may lack anybody.

    """
    if not is_complete(plan.bases):
        raise IncompleteReadError
    read = Read.of(directory, swit, policy, memory)
    decided = decide(read, policy, memory)
    subjects = Subjects(read, decided, memory)
    named = subjects.named(who)
    if not named:
        return Answer(explained=(), similar=tuple(subjects.similar(who)))
    return Answer(
        explained=tuple(
            explain_person(subject, read, decided, policy, memory, plan)
            if isinstance(subject, Person)
            else explain_team(subject, read, decided, policy, memory, plan)
            for subject in named
        )
    )


class IncompleteReadError(Exception):
    """What was read can't be all there is."""

    def __init__(self) -> None:
        """Say so, and where it is told what is missing."""
        super().__init__(
            "What was read is not complete (no user in the directory, or Swit's own numbers don't"
            " fit together), so nothing can be explained by it. See what is missing:"
            " swit-provisioning check"
        )
