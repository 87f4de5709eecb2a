"""By what name Dagster knows this project, and its runs among those of others."""

from collections.abc import Mapping
from typing import Final

LOCATION: Final = "swit_provisioning"
"""The code location's name in workspace.yaml: the UI finds a run's job by it."""
OURS: Final[Mapping[str, str]] = {"dagster/code_location": LOCATION}
"""The tag that every run of it has, whoever started it."""
SCHEDULE_TAG: Final = "dagster/schedule_name"
"""The tag that Dagster puts on what a schedule has launched."""
RETRY_TAG: Final = "dagster/retry_number"
"""The tag that Dagster puts on a run that it starts by itself to retry a failed one."""
NO_RETRY_TAGS: Final[Mapping[str, str]] = {"dagster/max_retries": "0"}
"""The tags of a run that Dagster never retries by itself, whatever `run_retries` says."""
WRITING_JOBS: Final = ("sync", "apply")
"""The jobs that may write to Swit."""
BLOCKED_TAG: Final = "swit_provisioning/blocked"
"""The tag of a run that a guard or a person stopped before it wrote anything: why; empty: it was
not, but it re-executes a run that was."""
RESULT_TAG: Final = "swit_provisioning/result"
"""The tag of a run that was refused: its `RunState`; empty: it re-executes a run that was."""
CALLS_TAG: Final = "swit_provisioning/calls"
"""Run tag: API calls to Swit in this run, reads included."""
LEFT_OUT_TAG: Final = "swit_provisioning/left_for_later"
"""Run tag: the changes of the plan that were not chosen, counted."""
FEW_REJECTED: Final = "few_changes_were_rejected"
NO_CHANGE_REJECTED: Final = "no_change_was_rejected"
WRITERS: Final = ("applied_users", "applied_teams", "applied_sort", "applied_memberships")
INTERRUPTED: Final = "The run was interrupted by a signal (Ctrl-C or SIGTERM)."
