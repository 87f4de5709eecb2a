"""When refusals are no longer a few objects' own trouble, but something wrong with the run."""

from dataclasses import dataclass
from typing import Final

import pandas as pd

from swit_provisioning.apply.change_log import last_tries

MOST_REFUSED: Final = 10
"""So many of one action may always be refused."""
LARGEST_SHARE: Final = 5
"""And one in so many."""


@dataclass(frozen=True, kw_only=True)
class MassRefusal:
    """One action that Swit refused for too many objects."""

    action: str
    refused: int
    objects: int
    """How many were to be changed; a membership counts for each user."""
    said: str
    """Swit's words about the first."""

    @property
    def message(self) -> str:
        """What is wrong and what to do."""
        said = f" Swit said: {self.said.rstrip('.')}." if self.said else ""
        return (
            f"{self.refused} of {self.objects} {self.action} were rejected, more than a fifth:"
            f" something is wrong with all of them.{said} Mend it, then run: swit-provisioning sync"
        )


def mass_refusals(log: pd.DataFrame) -> list[MassRefusal]:
    """Actions of which more than a fifth and more than ten were rejected in the end."""
    found = []
    for action, rows in last_tries(log).groupby("action", sort=False):
        refused, objects = int(rows["refused"].sum()), int(rows["objects"].sum())
        if refused <= MOST_REFUSED or refused * LARGEST_SHARE <= objects:
            continue
        said = rows.loc[rows["refused"] > 0, "message"].dropna()
        words = str(said.iloc[0]) if len(said) else ""
        found.append(MassRefusal(action=str(action), refused=refused, objects=objects, said=words))
    return found
