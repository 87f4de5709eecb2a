"""`swit-provisioning COMMAND`: every command, its options and its exit code."""

import sys
from collections.abc import Callable
from datetime import datetime
from functools import wraps
from pathlib import Path
from typing import Any
from uuid import UUID

import click

from swit_provisioning import __version__
from swit_provisioning.cli import commands
from swit_provisioning.cli.check import check_both_sides
from swit_provisioning.cli.comparing import show_difference
from swit_provisioning.cli.console import errors
from swit_provisioning.cli.demo import tell_the_story
from swit_provisioning.cli.errors import (
    UnknownPlanError,
    UnusableHomeError,
    UnusableInputError,
    UnwritableFileError,
)
from swit_provisioning.cli.history import show_history
from swit_provisioning.cli.login import (
    import_login,
    log_in,
    log_in_by_pasting,
    log_in_from_stdin,
)
from swit_provisioning.cli.serve import serve_gateway
from swit_provisioning.cli.since import Since
from swit_provisioning.directory.errors import DirectoryError
from swit_provisioning.gateway.listening import ListenError
from swit_provisioning.sandbox.server import SANDBOX_PORT, SandboxStartError
from swit_provisioning.sandbox.server import run as run_sandbox
from swit_provisioning.settings import Settings, SettingsError
from swit_provisioning.store.errors import StoreError
from swit_provisioning.swit.errors import SwitError
from swit_provisioning.swit.login import LoginError

_KNOWN_TROUBLE = (
    DirectoryError,
    ListenError,
    LoginError,
    SandboxStartError,
    StoreError,
    SwitError,
    UnusableHomeError,
)

_json = click.option(
    "--json", "as_json", is_flag=True, help="One JSON document on standard output."
)

_no_names = click.option(
    "--no-names", is_flag=True, help="Codes in place of people's names, addresses and numbers."
)


def _exits(command: Callable[..., int]) -> Callable[..., None]:
    """Turn what a command returns, or a known error, into an exit code and one clear message."""

    @wraps(command)
    def run(*args: Any, **options: Any) -> None:  # noqa: ANN401 - click's own
        try:
            code = command(*args, **options)
        except (
            SettingsError,
            UnknownPlanError,
            UnusableInputError,
            UnwritableFileError,
        ) as error:
            code = _say(error, 2)
        except _KNOWN_TROUBLE as error:
            code = _say(error, 1)
        sys.exit(code)

    return run


def _say(error: Exception, code: int) -> int:
    errors().print(str(error), style="red", markup=False, highlight=False)
    return code


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(__version__, prog_name="swit-provisioning")
def main() -> None:
    """Make a Swit organisation follow a company's directory."""


@main.command()
@click.option("--ui", is_flag=True, help="Leave the Dagster UI running afterwards.")
@_exits
def demo(*, ui: bool) -> int:
    """Tell the whole story on the sandbox and the sample directory."""
    return tell_the_story(ui=ui)


@main.command()
@click.option("--paste", is_flag=True, help="No browser here: paste back the address it ended on.")
@click.option("--from-stdin", is_flag=True, help="Take a pair of tokens as JSON, without browser.")
@click.option(
    "--import",
    "import_from",
    metavar="FILE",
    type=click.Path(path_type=Path),
    help="Take the pair from the reference program's service_accounts.db.",
)
@click.option("--read-only", is_flag=True, help="Ask only for what planning needs.")
@click.option(
    "--wait",
    "wait_seconds",
    metavar="SECONDS",
    type=click.IntRange(min=1),
    default=300,
    show_default=True,
    help="How long to wait for the browser to come back.",
)
@_exits
def login(
    *, paste: bool, from_stdin: bool, import_from: Path | None, read_only: bool, wait_seconds: int
) -> int:
    """Store an administrator's login: in a browser here, or in one of the other ways."""
    if sum((paste, from_stdin, import_from is not None)) > 1:
        message = "--paste, --from-stdin and --import are three ways; choose one."
        raise click.UsageError(message)
    if read_only and (from_stdin or import_from):
        message = "--read-only is asked of Swit; a pair that is given has its scopes already."
        raise click.UsageError(message)
    settings = Settings.load()
    if from_stdin:
        return log_in_from_stdin(settings)
    if import_from is not None:
        return import_login(settings, import_from)
    if paste:
        return log_in_by_pasting(settings, read_only=read_only, ask=_pasted)
    return log_in(settings, read_only=read_only, wait_seconds=wait_seconds)


def _pasted() -> str:
    return str(click.prompt("The address it ended on", err=True))


@main.command()
@click.option(
    "--csv",
    "csv",
    metavar="FILE",
    type=click.Path(path_type=Path),
    help="Write every bad record of the directory there (UTF-8 with BOM, as Excel reads it).",
)
@_exits
def check(*, csv: Path | None) -> int:
    """Read both sides and say what is there. Writes nothing to either."""
    return check_both_sides(Settings.load(), csv)


@main.command()
@_no_names
@_json
@_exits
def plan(*, as_json: bool, no_names: bool) -> int:
    """Make, store and print a plan. Writes nothing to Swit."""
    return commands.plan(Settings.load(), as_json=as_json, no_names=no_names)


@main.command()
@click.argument("plan_id")
@click.argument("other_plan_id", required=False)
@click.option(
    "--html",
    metavar="FILE",
    type=click.Path(path_type=Path),
    help="Write the plan there as one page that can be sent to a colleague.",
)
@_no_names
@_json
@_exits
def show(
    plan_id: str, other_plan_id: str | None, *, html: Path | None, as_json: bool, no_names: bool
) -> int:
    """Print a stored plan; of two, what differs between them."""
    settings = Settings.load()
    if other_plan_id is None:
        return commands.show(settings, plan_id, as_json=as_json, no_names=no_names, html=html)
    if html is not None:
        message = "--html writes one plan. Name one, or leave --html out to compare two."
        raise click.UsageError(message)
    return show_difference(settings, plan_id, other_plan_id, as_json=as_json, no_names=no_names)


@main.command()
@click.argument("plan_id")
@click.option("--approve", metavar="REASON", default="", help="Let this one plan past its limits.")
@_no_names
@_json
@_exits
def apply(plan_id: str, *, approve: str, as_json: bool, no_names: bool) -> int:
    """Apply exactly that plan, or refuse it as stale."""
    return commands.apply(
        Settings.load(), plan_id, approve=approve, as_json=as_json, no_names=no_names
    )


@main.command()
@_no_names
@_json
@click.option("--run-id", type=click.UUID, hidden=True, help="What the gateway has promised.")
@_exits
def sync(*, as_json: bool, no_names: bool, run_id: UUID | None) -> int:
    """Plan, guards, apply: what the schedule does every night."""
    settings = Settings.load()
    known = str(run_id) if run_id else None
    return commands.sync(settings, as_json=as_json, no_names=no_names, run_id=known)


@main.command()
@click.option("--user", metavar="X", help="An account, by its address or its id in Swit.")
@click.option("--team", metavar="Y", help="A team, by its name, its id in Swit or its reference.")
@click.option("--since", metavar="T", type=Since(), help="2026-03-01, 2026-03-01T02:30, 7d, 24h.")
@_json
@_exits
def history(*, user: str | None, team: str | None, since: datetime | None, as_json: bool) -> int:
    """Say what was done, when, by which run, with what answer."""
    return show_history(Settings.load(), user=user, team=team, since=since, as_json=as_json)


@main.command()
@click.option(
    "--behind-proxy",
    is_flag=True,
    help="A reverse proxy with TLS is in front; it says who asks (X-Forwarded-For).",
)
@_exits
def serve(*, behind_proxy: bool) -> int:
    """Answer over HTTP: start a sync, log in, health, state, metrics (docs/gateway.md)."""
    return serve_gateway(Settings.load(), behind_proxy=behind_proxy)


@main.command()
@click.option("--port", default=SANDBOX_PORT, show_default=True, help="On 127.0.0.1.")
@click.option(
    "--edition",
    type=click.Choice(["old", "new", "production"]),
    default="new",
    show_default=True,
    help="Whose shapes the answers have.",
)
@_exits
def sandbox(*, port: int, edition: Any) -> int:  # noqa: ANN401 - one of the choices above
    """Run the stand-in Swit organisation, alone, until it is interrupted."""
    errors().print(f"Sandbox: http://127.0.0.1:{port} (its state is shown there)")
    run_sandbox("127.0.0.1", port, edition)
    return 0
