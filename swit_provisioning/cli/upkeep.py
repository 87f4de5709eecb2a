"""The commands that look after what is kept."""

from typing import Final

import click

from swit_provisioning.cli.command import exits, json_option, load_settings


@click.command()
@click.option("--dry-run", is_flag=True, help="Only say what would go.")
@json_option
@exits
def prune(*, dry_run: bool, as_json: bool) -> int:
    """Delete what is older than RETENTION_DAYS: plans, frames, runs and their events, journal."""
    from swit_provisioning.cli.pruning import prune_old_things

    return prune_old_things(load_settings(), dry_run=dry_run, as_json=as_json)


@click.command()
@click.argument("who")
@click.option("--anyway", is_flag=True, help="Also if the next run would read them again.")
@json_option
@exits
def forget(who: str, *, anyway: bool, as_json: bool) -> int:
    """Replace a person in all that is kept by a code: WHO is an address, an id, a DN or a name."""
    from swit_provisioning.cli.forgetting import forget_person

    return forget_person(load_settings(), who, anyway=anyway, as_json=as_json)


@click.command()
@click.option("--reason", metavar="TEXT", required=True, help="What was put back; recorded.")
@exits
def restored(*, reason: str) -> int:
    """Say that all came back from one backup: approvals are void, the next run only plans."""
    from swit_provisioning.cli.restoring import say_restored

    return say_restored(load_settings(), why=reason)


COMMANDS: Final = (prune, forget, restored)
