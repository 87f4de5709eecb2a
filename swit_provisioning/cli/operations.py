"""The commands of every day: what stands, what waits, who decides, whether the night may write."""

from datetime import datetime
from pathlib import Path
from typing import Final

import click

from swit_provisioning.cli.command import (
    exits,
    json_option,
    load_settings,
    no_names_option,
    view_of,
    view_options,
)
from swit_provisioning.cli.since import Since

_reason = click.option("--reason", metavar="TEXT", required=True, help="Why; recorded.")


@click.command()
@json_option
@exits
def status(*, as_json: bool) -> int:
    """Say how things stand: last and next run, pause, lease, token, plans that wait."""
    from swit_provisioning.cli.status import show_status

    return show_status(load_settings(), as_json=as_json)


@click.command()
@json_option
@exits
def settings(*, as_json: bool) -> int:
    """Print every setting's value and where it comes from; no secret."""
    from swit_provisioning.cli.settings_list import list_settings

    return list_settings(load_settings(), as_json=as_json)


@click.command()
@click.option("--until", metavar="T", help="2026-12-24, 14:30, '2026-12-24 14:30', 3d, 12h, 30m.")
@_reason
@exits
def pause(*, until: str | None, reason: str) -> int:
    """Let no scheduled run write until T, or until `resume`."""
    from swit_provisioning.cli.pausing import pause_runs

    return pause_runs(load_settings(), until=until, why=reason)


@click.command()
@exits
def resume() -> int:
    """End a pause."""
    from swit_provisioning.cli.pausing import resume_runs

    return resume_runs(load_settings())


@click.command()
@click.option("--limit", default=20, show_default=True, type=click.IntRange(min=1), help="Rows.")
@json_option
@exits
def plans(*, limit: int, as_json: bool) -> int:
    """List the stored plans, newest first, and what has become of each."""
    from swit_provisioning.cli.plans import list_plans

    return list_plans(load_settings(), limit=limit, as_json=as_json)


@click.command()
@click.argument("plan_id")
@click.argument("other_plan_id", required=False)
@click.option(
    "--html",
    metavar="FILE",
    type=click.Path(path_type=Path),
    help="Write the plan there as one page that can be sent to a colleague.",
)
@view_options
@no_names_option
@json_option
@exits
def show(
    plan_id: str,
    other_plan_id: str | None,
    *,
    html: Path | None,
    as_json: bool,
    no_names: bool,
    full: bool,
    summary: bool,
) -> int:
    """Print a stored plan; of two, what differs between them."""
    from swit_provisioning.cli.comparing import show_difference
    from swit_provisioning.cli.plans import show_plan

    view = view_of(full=full, summary=summary)
    if other_plan_id is None:
        return show_plan(
            load_settings(), plan_id, as_json=as_json, no_names=no_names, html=html, view=view
        )
    if html is not None:
        message = "--html writes one plan. Name one, or leave --html out to compare two."
        raise click.UsageError(message)
    return show_difference(
        load_settings(), plan_id, other_plan_id, as_json=as_json, no_names=no_names
    )


@click.command()
@click.argument("plan_id")
@_reason
@exits
def approve(plan_id: str, *, reason: str) -> int:
    """Let this one plan past the limits that it breaks now."""
    from swit_provisioning.cli.plans import approve_plan

    return approve_plan(load_settings(), plan_id, why=reason)


@click.command()
@click.argument("plan_id")
@click.option("--reason", metavar="TEXT", default="", help="Why; recorded.")
@exits
def reject(plan_id: str, *, reason: str) -> int:
    """Let these very changes never be applied, until somebody approves the plan."""
    from swit_provisioning.cli.plans import reject_plan

    return reject_plan(load_settings(), plan_id, why=reason)


@click.command()
@click.option("--user", metavar="X", help="An account, by its address or its id in Swit.")
@click.option("--team", metavar="Y", help="A team, by its name, its id in Swit or its reference.")
@click.option("--since", metavar="T", type=Since(), help="2026-03-01, 2026-03-01T02:30, 7d, 24h.")
@json_option
@exits
def history(*, user: str | None, team: str | None, since: datetime | None, as_json: bool) -> int:
    """Say what was done, when, by which run, with what answer."""
    from swit_provisioning.cli.history import show_history

    return show_history(load_settings(), user=user, team=team, since=since, as_json=as_json)


@click.command()
@click.argument("who")
@no_names_option
@json_option
@exits
def explain(who: str, *, as_json: bool, no_names: bool) -> int:
    """Say why this user or team is in or out: entry, groups, rule, plan, history.

    WHO is an address, a name, a DN or an id. Both sides are read; nothing is written.
    """
    from swit_provisioning.cli.explain import explain_who

    return explain_who(load_settings(), who, as_json=as_json, no_names=no_names)


COMMANDS: Final = (status, settings, pause, resume, plans, show, approve, reject, explain, history)
