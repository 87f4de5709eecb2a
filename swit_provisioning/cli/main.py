"""`swit-provisioning COMMAND`: every command, its options and the function that carries it out."""

import os
from collections.abc import Callable, Mapping
from importlib import import_module
from pathlib import Path
from typing import Any, Final, Literal, NamedTuple

import click

from swit_provisioning import ENV_FILE_VARIABLE, __version__
from swit_provisioning.cli.framework import exits, load_settings
from swit_provisioning.sandbox import SANDBOX_PORT


class CommandSpec(NamedTuple):
    """What a command is."""

    function: str
    """`module:name` in this package. It takes the settings first, then each parameter by name."""
    help: str
    parameters: tuple[click.Parameter, ...] = ()
    settings: Literal["none", "read", "write"] = "read"
    """`write`: a misspelled setting is an error. `none`: the function takes no settings."""


def flag(names: str, text: str) -> click.Option:
    """An option without a value; `names` is the option, and its parameter if that differs."""
    return click.Option(names.split(), is_flag=True, help=text)


def option(names: str, metavar: str, text: str, **more: Any) -> click.Option:  # noqa: ANN401 - click's own
    """An option with a value."""
    return click.Option(names.split(), metavar=metavar, help=text, **more)


PLAN_ID: Final = click.Argument(["plan_id"])
WHO: Final = click.Argument(["who"])
JSON: Final = flag("--json as_json", "Print one JSON document on standard output.")
NO_NAMES: Final = flag("--no-names", "Show codes instead of people's names, addresses and numbers.")
REASON: Final = option(
    "--reason", "TEXT", "Why; stored with your name and the time.", required=True
)
USER: Final = option(
    "--user",
    "WHO",
    "Only the user, memberships and primary team of one person: by address, DN, id or name.",
)
FULL: Final = flag("--full", "Print every change, finding and team.")
SUMMARY: Final = flag("--summary", "Print one sentence and the state.")
_FILE: Final = click.Path(path_type=Path)
_COUNT: Final = click.IntRange(min=1)

COMMANDS: Final[Mapping[str, CommandSpec]] = {
    "demo": CommandSpec(
        "servers:demo",
        "Show a first sync, a day of changes and a blocked mass departure on the sandbox.",
        (flag("--ui", "Leave the Dagster UI running afterwards."),),
        settings="none",
    ),
    "init": CommandSpec(
        "init:init",
        "Ask for the settings of a first plan, test the connections, and write the .env file.",
        settings="none",
    ),
    "login": CommandSpec(
        "login:login",
        "Store an administrator's login, made in a browser or given as a pair of tokens.",
        (
            flag("--paste", "Log in elsewhere; paste the address it ended on."),
            flag("--from-stdin", "Read a pair of tokens as JSON."),
            option(
                "--import import_from",
                "FILE",
                "Read the pair from the reference program's service_accounts.db.",
                type=_FILE,
            ),
            flag("--read-only", "Ask only for the scopes that plans need."),
            option(
                "--wait wait_seconds",
                "SECONDS",
                "How long to wait for the browser.",
                type=_COUNT,
                default=300,
                show_default=True,
            ),
        ),
    ),
    "check": CommandSpec(
        "check:check",
        "Read both sides and report what is there. Writes nothing to either.",
        (
            option(
                "--csv",
                "FILE",
                "Write all findings of the directory to this file (UTF-8 with BOM, for Excel).",
                type=_FILE,
            ),
            flag("--message send_message", "Send a test message to the webhooks."),
        ),
    ),
    "plan": CommandSpec(
        "sync:plan",
        "Make, store and print a plan. Writes nothing to Swit.",
        (USER, FULL, SUMMARY, NO_NAMES, JSON),
    ),
    "apply": CommandSpec(
        "sync:apply",
        """Apply a stored plan, or selected changes of it. A stale plan is refused.

        Changes that depend on a change that is not selected are not sent either. Apply the plan
        again to send the remaining changes.
        """,
        (
            PLAN_ID,
            option("--approve", "REASON", "Approve this plan, then apply it.", default=""),
            option("--only", "ACTIONS", "Send only these: user.create,team.*", default=""),
            option("--except exclude", "ACTIONS", "Send all but these.", default=""),
            option("--limit", "N", "Send the first N pending changes of each action.", type=_COUNT),
            NO_NAMES,
            JSON,
        ),
        settings="write",
    ),
    "sync": CommandSpec(
        "sync:sync",
        "Make a plan, check its guards and apply it, as the schedule does.",
        (
            USER,
            NO_NAMES,
            JSON,
            option(
                "--run-id",
                "UUID",
                "The id that the gateway has announced.",
                type=click.UUID,
                hidden=True,
            ),
        ),
        settings="write",
    ),
    "serve": CommandSpec(
        "servers:serve",
        "Run the HTTP gateway: start a sync, log in, status, metrics.",
        (flag("--behind-proxy", "A reverse proxy with TLS is in front and sets X-Forwarded-For."),),
    ),
    "sandbox": CommandSpec(
        "servers:sandbox",
        "Run the sandbox, a stand-in Swit organisation, until it is interrupted.",
        (
            option(
                "--port",
                "N",
                "Port on 127.0.0.1.",
                type=click.IntRange(1, 65535),
                default=SANDBOX_PORT,
                show_default=True,
            ),
            click.Option(
                ["--edition"],
                type=click.Choice(["old", "new", "production"]),
                default="new",
                show_default=True,
                help="The edition of Swit's API.",
            ),
            flag("--keep", "Serve the organisation of SWIT=sandbox, which keeps its state."),
        ),
        settings="none",
    ),
    "status": CommandSpec(
        "status:show_status",
        "Print last and next run, pause, lease, login and plans that wait for an approval.",
        (JSON,),
    ),
    "settings": CommandSpec(
        "status:list_settings",
        "Print the value of every setting and where it comes from, without secrets.",
        (JSON,),
    ),
    "pause": CommandSpec(
        "maintenance:pause",
        "Keep scheduled runs from writing until T, or until `resume`.",
        (option("--until", "T", "2026-12-24, 14:30, '2026-12-24 14:30', 3d, 12h, 30m."), REASON),
    ),
    "resume": CommandSpec("maintenance:resume", "End a pause."),
    "plans": CommandSpec(
        "plans:list_plans",
        "List the stored plans and their states, newest first.",
        (option("--limit", "N", "Rows.", type=_COUNT, default=20, show_default=True), JSON),
    ),
    "show": CommandSpec(
        "plans:show",
        "Print a stored plan, or the differences between two.",
        (
            PLAN_ID,
            click.Argument(["other_plan_id"], required=False),
            option(
                "--html",
                "FILE",
                "Write the plan to this file as one page that you can send to a colleague.",
                type=_FILE,
            ),
            FULL,
            SUMMARY,
            NO_NAMES,
            JSON,
        ),
    ),
    "approve": CommandSpec(
        "plans:approve",
        "Approve a plan that exceeds limits. The approval is for this plan only.",
        (PLAN_ID, REASON),
    ),
    "reject": CommandSpec(
        "plans:reject",
        "Reject a plan: its changes are not applied until it is approved.",
        (
            PLAN_ID,
            option("--reason", "TEXT", "Why; stored with your name and the time.", default=""),
        ),
    ),
    "history": CommandSpec(
        "plans:show_history",
        "Print what was done, when, by which run, and with what answer.",
        (
            option("--user", "X", "A user, by address or id in Swit."),
            option("--team", "Y", "A team, by name, id in Swit or reference."),
            option("--since", "T", "2026-03-01, 02:30, 7d, 24h."),
            JSON,
        ),
    ),
    "explain": CommandSpec(
        "explain:explain",
        """Explain a user or team: both sides, groups, rule, plan and history.

        WHO is an address, a name, a DN or an id. Both sides are read; nothing is written.
        """,
        (WHO, NO_NAMES, JSON),
    ),
    "prune": CommandSpec(
        "maintenance:prune",
        "Delete what is older than RETENTION_DAYS: plans, frames, runs and their events, journal.",
        (flag("--dry-run", "Print what would be deleted."), JSON),
    ),
    "forget": CommandSpec(
        "maintenance:forget",
        "Erase a person from all stored data. WHO is an address, an id, a DN or a name.",
        (WHO, flag("--anyway", "Even if the next run would read the person again."), JSON),
    ),
    "restored": CommandSpec(
        "maintenance:restored",
        "Declare that a backup was restored: approvals become void, the next run only plans.",
        (option("--reason", "TEXT", "What was restored; stored.", required=True),),
    ),
}


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(__version__, prog_name="swit-provisioning")
@click.option(
    "--env-file",
    metavar="FILE",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Read the settings from this file instead of .env.",
)
@click.option("--traceback", is_flag=True, help="Show where an unexpected error happened.")
@click.pass_context
def main(context: click.Context, *, env_file: Path | None, traceback: bool) -> None:
    """Make a Swit organisation follow a company's directory."""
    if env_file is not None:
        if not env_file.exists() and context.invoked_subcommand != "init":
            message = (
                f"{env_file} does not exist. To make it: swit-provisioning --env-file FILE init"
            )
            raise click.UsageError(message)
        # Before the settings are imported; child processes inherit it.
        os.environ[ENV_FILE_VARIABLE] = str(env_file.absolute())
    del traceback  # `exits` looks it up
    # Only this account can read the files that are written.
    os.umask(0o077)
    # Child processes, also Dagster's, import nothing from the working folder.
    os.environ["PYTHONSAFEPATH"] = "1"


def function_of(spec: CommandSpec) -> Callable[..., int]:
    """Import the function of a command."""
    module, _, name = spec.function.partition(":")
    function: Callable[..., int] = getattr(import_module(f"swit_provisioning.cli.{module}"), name)
    return function


def _command(name: str, spec: CommandSpec) -> click.Command:
    """The command; what it needs is imported when it is called, so that `--help` is quick."""

    @exits
    def call(**options: object) -> int:
        if spec.settings == "none":
            return function_of(spec)(**options)
        settings = load_settings(writes=spec.settings == "write")
        return function_of(spec)(settings, **options)

    return click.Command(name, callback=call, params=list(spec.parameters), help=spec.help)


for _name, _spec in COMMANDS.items():
    main.add_command(_command(_name, _spec))
