"""Names in Dagster that others rely on: the code location, run tags, jobs, assets and checks."""

from collections.abc import Mapping
from typing import Final

LOCATION: Final = "swit_provisioning"
"""The name of the code location in workspace.yaml: the UI finds the job of a run by it."""
OURS: Final[Mapping[str, str]] = {"dagster/code_location": LOCATION}
"""The tag of every run of this code location."""
SCHEDULE_TAG: Final = "dagster/schedule_name"
"""Dagster's tag for a run that a schedule has launched."""
RETRY_TAG: Final = "dagster/retry_number"
"""Dagster's tag for a run that it starts by itself to retry a failed one."""
NO_RETRY_TAGS: Final[Mapping[str, str]] = {"dagster/max_retries": "0"}
"""Tags of a run that Dagster never retries by itself, whatever `run_retries` says."""
WRITING_JOBS: Final = ("sync", "apply")
"""The jobs that may write to Swit."""
BLOCKED_TAG: Final = "swit_provisioning/blocked"
"""Run tag: why the run was blocked before it wrote anything; empty: it re-executes such a run."""
RESULT_TAG: Final = "swit_provisioning/result"
"""Run tag: the `RunState` of a run that was refused; empty: it re-executes such a run."""
CALLS_TAG: Final = "swit_provisioning/calls"
"""Run tag: API calls to Swit in this run, reads included."""
LEFT_OUT_TAG: Final = "swit_provisioning/left_for_later"
"""Run tag: the changes of the plan that were not chosen, counted."""
FEW_REJECTED: Final = "few_changes_were_rejected"
NO_CHANGE_REJECTED: Final = "no_change_was_rejected"
WRITERS: Final = ("applied_users", "applied_teams", "applied_sort", "applied_memberships")
INTERRUPTED: Final = "The run was interrupted by a signal (Ctrl-C or SIGTERM)."
