"""The keys and types of the JSON documents of `--json`: a promise to scripts.

`docs/reference/json/` has a JSON Schema of each document, made from these types.
"""

from typing import Any, Literal

from typing_extensions import TypedDict

from swit_provisioning.apply.approvals import StateName


class DecisionDocument(TypedDict):
    """An approval or a rejection."""

    who: str
    why: str
    at: str


class ApplicationDocument(TypedDict):
    """The last run that was allowed to send a plan."""

    who: str | None
    run_id: str
    begun_at: str
    finished_at: str | None


class GuardDocument(TypedDict):
    """The result of one guard."""

    name: str
    passed: bool
    blocking: bool
    message: str


class FindingDocument(TypedDict):
    """A record or state that a person should mend or know of."""

    kind: str
    subject: str
    message: str
    attribute: str
    side: Literal["directory", "swit"]


class ChangeDocument(TypedDict):
    """One change; `before` and `after` have the fields that differ."""

    action: str
    target: str
    before: dict[str, Any]
    after: dict[str, Any]
    reason: str


class EstimateDocument(TypedDict):
    """How many calls a plan takes, and how long, at the pace of the last runs."""

    calls: int
    seconds: float
    calls_per_second: float
    by_kind: dict[str, int]


class WaitingPlanDocument(TypedDict):
    """The plan of the changes that exceed a limit (`ON_LIMIT=hold_back`)."""

    plan_id: str
    plan_hash: str
    counts: dict[str, int]


class PlanDocument(TypedDict):
    """`plan` and `show`."""

    plan_id: str
    plan_hash: str
    created_at: str
    state: StateName
    approved: DecisionDocument | None
    rejected: DecisionDocument | None
    applied: ApplicationDocument | None
    user: str | None
    counts: dict[str, int]
    guards: list[GuardDocument]
    findings: list[FindingDocument]
    changes: list[ChangeDocument]
    disabled: list[ChangeDocument]
    held: list[ChangeDocument]
    waiting: WaitingPlanDocument | None
    estimate: EstimateDocument


class ListedPlanDocument(TypedDict):
    """One plan in `plans` and `status`."""

    plan_id: str
    plan_hash: str
    created_at: str
    run_id: str | None
    state: StateName
    user: str | None
    counts: dict[str, int]
    stopped_by: list[str]
    approved: DecisionDocument | None
    rejected: DecisionDocument | None
    applied: ApplicationDocument | None


class PlanNameDocument(TypedDict):
    """A plan in `show A B`."""

    plan_id: str
    plan_hash: str
    created_at: str


class DifferentChangeDocument(TypedDict):
    """A change that two plans have with other values."""

    first: ChangeDocument
    second: ChangeDocument


class ComparisonDocument(TypedDict):
    """`show A B`."""

    plans: list[PlanNameDocument]
    only_first: list[ChangeDocument]
    only_second: list[ChangeDocument]
    different: list[DifferentChangeDocument]
    same: int
    settings: list[str]
    sides: list[str]


class RunDocument(TypedDict):
    """`apply` and `sync`."""

    run_id: str
    plan_id: str | None
    plan_hash: str | None
    status: str
    message: str
    user: str | None
    counts: dict[str, int]
    outcomes: dict[str, int]
    left_for_later: str
    waiting: WaitingPlanDocument | None
    guards: list[GuardDocument]
    findings: list[FindingDocument]
    calls: int
    seconds: float


class HistoryEntryDocument(TypedDict):
    """A change that was sent, or would have been."""

    at: str
    run_id: str
    plan_id: str
    plan_hash: str
    action: str
    target: str
    object_id: str
    before: dict[str, Any]
    after: dict[str, Any]
    reason: str
    outcome: str | None
    message: str | None
    http_status: int | None
    attempts: int
    seconds: float | None
    approval: DecisionDocument | None


class HistoryDocument(TypedDict):
    """`history`."""

    user: str | None
    team: str | None
    since: str | None
    entries: list[HistoryEntryDocument]


class PauseDocument(TypedDict):
    """A pause of scheduled runs."""

    who: str
    why: str
    at: str
    until: str | None


class LeaseDocument(TypedDict):
    """The run that may write now."""

    run_id: str
    who: str
    since: str
    until: str


class TokenDocument(TypedDict):
    """The login to Swit, without its tokens."""

    account: str | None
    state: str
    stored: bool
    expires_at: str | None
    days_left: float | None
    renewable: bool


class LastReadDocument(TypedDict):
    """What the next read is compared with."""

    accepted_at: str
    directory: dict[str, dict[str, int]]
    counts: dict[str, int]
    counted_by: dict[str, Any]
    presence: dict[str, dict[str, int]]


class RestorationDocument(TypedDict):
    """The state came back from a backup."""

    noticed_at: str
    why: str
    planned_by: str | None


class StatusDocument(TypedDict):
    """`status`."""

    mode: Literal["test", "live"]
    organization_id: str | None
    last_run: dict[str, str | None] | None
    last_success: dict[str, str | None] | None
    next_run: str | None
    next_action: str
    pause: PauseDocument | None
    lease: LeaseDocument | None
    token: TokenDocument
    waiting: list[ListedPlanDocument]
    begun: list[ListedPlanDocument]
    last_read: LastReadDocument | None
    restored: RestorationDocument | None


class SettingDocument(TypedDict):
    """One setting; the value of a secret is `set` or empty."""

    name: str
    value: str
    source: str


class UnknownVariableDocument(TypedDict):
    """A variable that looks like a setting, and the setting that may be meant."""

    name: str
    meant: str | None


class SettingsDocument(TypedDict):
    """`settings`."""

    settings: list[SettingDocument]
    unknown: list[UnknownVariableDocument]


class PruneDocument(TypedDict):
    """`prune`: numbers of what was, or would be, deleted."""

    dry_run: bool
    before: str
    before_journal: str
    runs: int
    files: int
    plans: int
    journal_entries: int


class ForgetDocument(TypedDict):
    """`forget`: numbers of what was deleted or changed, and the code in the person's place."""

    code: str
    rows: dict[str, int]
    frames: int
    pages: int
    runs: int
    histories: list[str]
    still_in: list[str]
