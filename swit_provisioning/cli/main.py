"""`swit-provisioning COMMAND`: every command, its options and its exit code.

A command imports what it needs when it is called, so that `--help` is there at once.
"""

import os
from datetime import datetime
from pathlib import Path
from typing import Any
from uuid import UUID

import click

from swit_provisioning import __version__
from swit_provisioning.cli.framework import exits, load_settings
from swit_provisioning.cli.options import (
    PastTime,
    json_option,
    no_names_option,
    reason_option,
    view_of,
    view_options,
)
from swit_provisioning.sandbox import SANDBOX_PORT


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(__version__, prog_name="swit-provisioning")
@click.option("--traceback", is_flag=True, help="Show where an unexpected error happened.")
def main(*, traceback: bool) -> None:
    """Make a Swit organisation follow a company's directory."""
    del traceback  # `exits` looks it up
    # Only this account can read the files that are written.
    os.umask(0o077)
    # Child processes, also Dagster's, import nothing from the working folder.
    os.environ["PYTHONSAFEPATH"] = "1"


@main.command()
@click.option("--ui", is_flag=True, help="Leave the Dagster UI running afterwards.")
@exits
def demo(*, ui: bool) -> int:
    """Show a first sync, a day of changes and a blocked mass departure on the sandbox."""
    from swit_provisioning.cli.demo import tell_the_story

    return tell_the_story(ui=ui)


@main.command()
@click.option(
    "--paste",
    is_flag=True,
    help="Log in elsewhere; paste the address it ended on.",
)
@click.option("--from-stdin", is_flag=True, help="Read a pair of tokens as JSON.")
@click.option(
    "--import",
    "import_from",
    metavar="FILE",
    type=click.Path(path_type=Path),
    help="Read the pair from the reference program's service_accounts.db.",
)
@click.option("--read-only", is_flag=True, help="Ask only for the scopes that plans need.")
@click.option(
    "--wait",
    "wait_seconds",
    metavar="SECONDS",
    type=click.IntRange(min=1),
    default=300,
    show_default=True,
    help="How long to wait for the browser.",
)
@exits
def login(
    *, paste: bool, from_stdin: bool, import_from: Path | None, read_only: bool, wait_seconds: int
) -> int:
    """Store an administrator's login, made in a browser or given as a pair of tokens."""
    from swit_provisioning.cli import login as ways

    if sum((paste, from_stdin, import_from is not None)) > 1:
        message = "--paste, --from-stdin and --import exclude each other. Choose one."
        raise click.UsageError(message)
    if read_only and (from_stdin or import_from):
        message = "--read-only does not apply to an existing pair of tokens. Leave it out."
        raise click.UsageError(message)
    settings = load_settings()
    if from_stdin:
        return ways.log_in_from_stdin(settings)
    if import_from is not None:
        return ways.import_login(settings, import_from)
    if paste:

        def ask() -> str:
            return str(click.prompt("The address it ended on", err=True))

        return ways.log_in_by_pasting(settings, read_only=read_only, ask=ask)
    return ways.log_in(settings, read_only=read_only, wait_seconds=wait_seconds)


@main.command()
@click.option(
    "--csv",
    "csv",
    metavar="FILE",
    type=click.Path(path_type=Path),
    help="Write all findings of the directory to this file (UTF-8 with BOM, for Excel).",
)
@click.option(
    "--message", "send_message", is_flag=True, help="Send a test message to the webhooks."
)
@exits
def check(*, csv: Path | None, send_message: bool) -> int:
    """Read both sides and report what is there. Writes nothing to either."""
    from swit_provisioning.cli.check import check_both_sides

    return check_both_sides(load_settings(), csv, send_message=send_message)


@main.command()
@view_options
@no_names_option
@json_option
@exits
def plan(*, as_json: bool, no_names: bool, full: bool, summary: bool) -> int:
    """Make, store and print a plan. Writes nothing to Swit."""
    from swit_provisioning.cli import sync as commands

    view = view_of(full=full, summary=summary)
    return commands.plan(load_settings(), as_json=as_json, view=view, no_names=no_names)


@main.command()
@click.argument("plan_id")
@click.option("--approve", metavar="REASON", default="", help="Approve this plan, then apply it.")
@click.option("--only", metavar="ACTIONS", default="", help="Send only these: user.create,team.*")
@click.option("--except", "exclude", metavar="ACTIONS", default="", help="Send all but these.")
@click.option(
    "--limit",
    metavar="N",
    type=click.IntRange(min=1),
    help="Send the first N pending changes of each action.",
)
@no_names_option
@json_option
@exits
def apply(
    plan_id: str,
    *,
    approve: str,
    only: str,
    exclude: str,
    limit: int | None,
    as_json: bool,
    no_names: bool,
) -> int:
    """Apply a stored plan, or selected changes of it. A stale plan is refused.

    Changes that depend on a change that is not selected are not sent either. Apply the plan again
    to send the remaining changes.
    """
    from swit_provisioning.cli import sync as commands
    from swit_provisioning.planning.selection import Selection

    try:
        Selection.parse(only, exclude, limit or 0)
    except ValueError as error:
        raise click.UsageError(str(error)) from error
    return commands.apply(
        load_settings(writes=True),
        plan_id,
        approve=approve,
        only=only,
        exclude=exclude,
        limit=limit or 0,
        as_json=as_json,
        no_names=no_names,
    )


@main.command()
@no_names_option
@json_option
@click.option(
    "--run-id", type=click.UUID, hidden=True, help="The id that the gateway has announced."
)
@exits
def sync(*, as_json: bool, no_names: bool, run_id: UUID | None) -> int:
    """Make a plan, check its guards and apply it, as the schedule does."""
    from swit_provisioning.cli import sync as commands

    settings = load_settings(writes=True)
    known = str(run_id) if run_id else None
    return commands.sync(settings, as_json=as_json, no_names=no_names, run_id=known)


@main.command()
@click.option(
    "--behind-proxy",
    is_flag=True,
    help="A reverse proxy with TLS is in front and sets X-Forwarded-For.",
)
@exits
def serve(*, behind_proxy: bool) -> int:
    """Run the HTTP gateway: start a sync, log in, status, metrics (docs/gateway.md)."""
    from swit_provisioning.cli.maintenance import serve_gateway

    return serve_gateway(load_settings(), behind_proxy=behind_proxy)


@main.command()
@click.option(
    "--port",
    type=click.IntRange(1, 65535),
    default=SANDBOX_PORT,
    show_default=True,
    help="Port on 127.0.0.1.",
)
@click.option(
    "--edition",
    type=click.Choice(["old", "new", "production"]),
    default="new",
    show_default=True,
    help="The edition of Swit's API.",
)
@click.option(
    "--keep", is_flag=True, help="Serve the organisation of SWIT=sandbox, which keeps its state."
)
@exits
def sandbox(*, port: int, edition: Any, keep: bool) -> int:  # noqa: ANN401 - one of the choices
    """Run the sandbox, a stand-in Swit organisation, until it is interrupted."""
    from swit_provisioning.cli.framework import errors
    from swit_provisioning.sandbox.server import run as run_sandbox

    errors().print(f"Sandbox: http://127.0.0.1:{port} (its state is shown there)")
    state_file = load_settings().sandbox_file if keep else None
    run_sandbox(port, edition, state_file=state_file)
    return 0


@main.command()
@json_option
@exits
def status(*, as_json: bool) -> int:
    """Print last and next run, pause, lease, login and plans that wait for an approval."""
    from swit_provisioning.cli.status import show_status

    return show_status(load_settings(), as_json=as_json)


@main.command()
@json_option
@exits
def settings(*, as_json: bool) -> int:
    """Print the value of every setting and where it comes from, without secrets."""
    from swit_provisioning.cli.status import list_settings

    return list_settings(load_settings(), as_json=as_json)


@main.command()
@click.option("--until", metavar="T", help="2026-12-24, 14:30, '2026-12-24 14:30', 3d, 12h, 30m.")
@reason_option
@exits
def pause(*, until: str | None, reason: str) -> int:
    """Keep scheduled runs from writing until T, or until `resume`."""
    from swit_provisioning.cli.status import pause_runs

    return pause_runs(load_settings(), until=until, why=reason)


@main.command()
@exits
def resume() -> int:
    """End a pause."""
    from swit_provisioning.cli.status import resume_runs

    return resume_runs(load_settings())


@main.command()
@click.option("--limit", default=20, show_default=True, type=click.IntRange(min=1), help="Rows.")
@json_option
@exits
def plans(*, limit: int, as_json: bool) -> int:
    """List the stored plans and their states, newest first."""
    from swit_provisioning.cli.plans import list_plans

    return list_plans(load_settings(), limit=limit, as_json=as_json)


@main.command()
@click.argument("plan_id")
@click.argument("other_plan_id", required=False)
@click.option(
    "--html",
    metavar="FILE",
    type=click.Path(path_type=Path),
    help="Write the plan to this file as one page that you can send to a colleague.",
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
    """Print a stored plan, or the differences between two."""
    from swit_provisioning.cli.plans import show_difference, show_plan

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


@main.command()
@click.argument("plan_id")
@reason_option
@exits
def approve(plan_id: str, *, reason: str) -> int:
    """Approve a plan that exceeds limits. The approval is for this plan only."""
    from swit_provisioning.cli.plans import approve_plan

    return approve_plan(load_settings(), plan_id, why=reason)


@main.command()
@click.argument("plan_id")
@click.option(
    "--reason", metavar="TEXT", default="", help="Why; stored with your name and the time."
)
@exits
def reject(plan_id: str, *, reason: str) -> int:
    """Reject a plan: its changes are not applied until somebody approves it."""
    from swit_provisioning.cli.plans import reject_plan

    return reject_plan(load_settings(), plan_id, why=reason)


@main.command()
@click.option("--user", metavar="X", help="A user, by address or id in Swit.")
@click.option("--team", metavar="Y", help="A team, by name, id in Swit or reference.")
@click.option("--since", metavar="T", type=PastTime(), help="2026-03-01, 02:30, 7d, 24h.")
@json_option
@exits
def history(*, user: str | None, team: str | None, since: datetime | None, as_json: bool) -> int:
    """Print what was done, when, by which run, and with what answer."""
    from swit_provisioning.cli.history import show_history

    return show_history(load_settings(), user=user, team=team, since=since, as_json=as_json)


@main.command()
@click.argument("who")
@no_names_option
@json_option
@exits
def explain(who: str, *, as_json: bool, no_names: bool) -> int:
    """Explain a user or team: directory entry, groups, rule, plan and history.

    WHO is an address, a name, a DN or an id. Both sides are read; nothing is written.
    """
    from swit_provisioning.cli.explain import explain_who

    return explain_who(load_settings(), who, as_json=as_json, no_names=no_names)


@main.command()
@click.option("--dry-run", is_flag=True, help="Print what would be deleted.")
@json_option
@exits
def prune(*, dry_run: bool, as_json: bool) -> int:
    """Delete what is older than RETENTION_DAYS: plans, frames, runs and their events, journal."""
    from swit_provisioning.cli.maintenance import prune_old_things

    return prune_old_things(load_settings(), dry_run=dry_run, as_json=as_json)


@main.command()
@click.argument("who")
@click.option("--anyway", is_flag=True, help="Even if the next run would read the person again.")
@json_option
@exits
def forget(who: str, *, anyway: bool, as_json: bool) -> int:
    """Erase a person from all stored data. WHO is an address, an id, a DN or a name."""
    from swit_provisioning.cli.maintenance import forget_person

    return forget_person(load_settings(), who, anyway=anyway, as_json=as_json)


@main.command()
@click.option(
    "--reason",
    metavar="TEXT",
    required=True,
    help="What was restored; stored.",
)
@exits
def restored(*, reason: str) -> int:
    """Declare that a backup was restored: approvals become void, the next run only plans."""
    from swit_provisioning.cli.maintenance import say_restored

    return say_restored(load_settings(), why=reason)
