"""What all assets share: owners, declared frames, the text that may be shown, failed steps."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Final

import dagster as dg

from swit_provisioning.apply.run_model import RefusedError, RunState
from swit_provisioning.defs.io_manager import schema_of, table_schema
from swit_provisioning.operations.names import BLOCKED_TAG, RESULT_TAG
from swit_provisioning.planning.guards import GUARDS, GuardName, GuardResult
from swit_provisioning.report.redaction import without_people_in
from swit_provisioning.report.safe_text import readable
from swit_provisioning.settings import Settings

OWNERS: Final = ["team:it-operations"]
DIRECTORY_GROUP: Final = "directory"
SWIT_GROUP: Final = "swit"
DIFFERENCE_GROUP: Final = "difference"
APPLY_GROUP: Final = "apply"
READ_AT: Final = "read_at"
"""The fact of a frame that says when reading it began, by the state database's clock."""
WRITERS_POOL: Final = "swit_writers"
"""Of every op that sends, not of the gate: a second run is refused at once instead of waiting."""

Context = dg.AssetExecutionContext | dg.AssetCheckExecutionContext | dg.OpExecutionContext


def frame_out(name: str, *, group: str, kinds: set[str]) -> dg.AssetOut:
    """One frame of a step that makes several: its description and columns come from its schema."""
    schema = schema_of(name)
    return dg.AssetOut(
        group_name=group,
        description=schema.description,
        kinds=kinds,
        owners=OWNERS,
        tags={"personal_data": "true"},
        metadata={"dagster/column_schema": table_schema(schema)},
    )


def public_text(settings: Settings, text: str) -> str:
    """The text for metadata, logs and errors: without people if `HIDE_NAMES` says everywhere."""
    return readable(without_people_in(text) if settings.names_are_hidden_everywhere else text)


@contextmanager
def failing_clearly(
    context: Context, settings: Settings, errors: Mapping[type[Exception], str]
) -> Iterator[None]:
    """Turn a refusal, or one of these errors, into a failed step that says what happened.

    `errors` has the kinds of errors and how their messages begin. Reading and sending retry by
    themselves, so Dagster must not. The state of a refusal is kept as a tag of the run.
    """
    try:
        yield
    except RefusedError as error:
        if error.state is not RunState.FAILED:
            context.instance.add_run_tags(context.run.run_id, {RESULT_TAG: error.state.value})
        raise _failure(settings, str(error)) from _shown_cause(error.__cause__, settings)
    except tuple(errors) as error:
        doing = next(words for kind, words in errors.items() if isinstance(error, kind))
        raise _failure(settings, f"{doing}: {error}") from _shown_cause(error, settings)


def _failure(settings: Settings, message: str) -> dg.Failure:
    return dg.Failure(public_text(settings, message), allow_retries=False)


def _shown_cause(error: BaseException | None, settings: Settings) -> BaseException | None:
    """The cause that Dagster shows below the failure: none if it may name people."""
    return None if settings.names_are_hidden_everywhere else error


GUARD_SAYS: Final[Mapping[GuardName, str]] = {
    "directory_read_is_complete": "The directory was read completely, with users in each base.",
    "swit_read_is_complete": "Swit was read completely, by an active administrator.",
    "protected_users_untouched": "The plan changes no protected user and no kept team.",
    "directory_has_not_shrunk": "No search base shrank by more than MAX_DIRECTORY_SHRINK.",
    "deactivations_within_limit": "At most MAX_DEACTIVATIONS users depart.",
    "team_deletions_within_limit": "At most MAX_TEAM_DELETIONS teams are deleted or marked.",
    "membership_removals_within_limit": "At most MAX_MEMBERSHIP_REMOVALS members are removed.",
    "creations_within_limit": "Creations are within MAX_USER_CREATIONS and MAX_TEAM_CREATIONS.",
    "updates_within_limit": "At most MAX_UPDATES users and teams are updated.",
}


def guard_specs(asset: str) -> list[dg.AssetCheckSpec]:
    """The guards as checks of one asset.

    They do not block in Dagster's sense: a blocking check that fails also fails the run, and then
    the UI shows every asset and check after it as failed, with a stack trace. The gate blocks: it
    accepts no plan, so the steps that send are skipped.
    """
    return [dg.AssetCheckSpec(name, asset=asset, description=GUARD_SAYS[name]) for name in GUARDS]


def check_result(result: GuardResult, asset: str, settings: Settings) -> dg.AssetCheckResult:
    """The result of a guard as the UI shows it, with its message first."""
    return dg.AssetCheckResult(
        asset_key=asset,
        check_name=result.name,
        passed=not result.stops,
        description=public_text(settings, result.message),
        metadata={"approved": result.lifted},
    )


def block(context: Context, settings: Settings, *reasons: str) -> None:
    """End the run as blocked, before it writes anything; the reasons come first."""
    why = public_text(settings, f"{' '.join(reasons)} Nothing was written to Swit.")
    context.instance.add_run_tags(context.run.run_id, {BLOCKED_TAG: why})


def refuse_env_references(config: Mapping[str, Any]) -> None:
    """Refuse `{env: NAME}` in a run's config: it would show any variable of the server."""
    for value in config.values():
        if isinstance(value, Mapping):
            if set(value) == {"env"}:
                message = (
                    "{env: NAME} is not allowed in a run's configuration: it would show any"
                    " variable of the server. Write the value itself."
                )
                raise RefusedError(message, RunState.FAILED)
            refuse_env_references(value)
