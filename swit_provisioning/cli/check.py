"""`check`: read both sides, say what is there and what would be left alone. Writes nothing."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Final

from rich.console import Console

from swit_provisioning.cli.console import errors, output, print_text
from swit_provisioning.cli.findings_file import FindingsFile
from swit_provisioning.cli.home import warn_of_open_files
from swit_provisioning.cli.messages import say_webhooks, sent_message
from swit_provisioning.cli.tables import findings_table, guards_table, header, team_tree
from swit_provisioning.directory.errors import DirectoryError
from swit_provisioning.directory.notes import listed
from swit_provisioning.reconcile.bases import directory_counts
from swit_provisioning.reconcile.columns import column
from swit_provisioning.reconcile.findings import directory_findings
from swit_provisioning.reconcile.plan import Finding, Plan, TeamBefore
from swit_provisioning.reconcile.planner import reconcile
from swit_provisioning.reconcile.state import DirectoryState, SwitState
from swit_provisioning.reconcile.words import counts_in_words
from swit_provisioning.report.summary import summary
from swit_provisioning.report.team_tree import tree_of
from swit_provisioning.resources.approving import approver
from swit_provisioning.resources.directories import open_directory
from swit_provisioning.resources.state import open_store
from swit_provisioning.resources.swit_access import swit_connection
from swit_provisioning.settings import Settings, SettingsError
from swit_provisioning.store.store import Store
from swit_provisioning.swit.errors import SwitError
from swit_provisioning.swit.reading import read_organization

_IN_CLEAR: Final = (
    "The stored login is NOT ENCRYPTED. Whoever reads the state database or a backup of it can use"
    " Swit as this administrator. Set TOKEN_ENCRYPTION_KEY and run `swit-provisioning login` again."
)


def check_both_sides(
    settings: Settings, csv: Path | None = None, *, send_message: bool = False
) -> int:
    """Look at each side for itself, so that one's trouble does not hide the other's. 1: trouble.

    `csv` gets the directory's findings; `send_message`: the webhooks get a message.

    Raises:
        UnwritableFileError: `csv` can't be written; nothing was read then.

    """
    console = output()
    trouble = errors()
    warn_of_open_files(settings)
    with ExitStack() as opened:
        file = opened.enter_context(FindingsFile(csv)) if csv else None
        store = opened.enter_context(open_store(settings))
        directory, directory_error = _directory(settings)
        swit, swit_error = _swit(settings, store)
        header(
            console,
            settings,
            organization=swit.facts.organization_name if swit else "not read",
            directory=directory.facts.title if directory else "not read",
        )
        policy, memory = settings.policy(), store.memory()
        if directory:
            _say_directory(console, directory, directory_counts(directory, policy, memory))
        if swit:
            _say_swit(console, swit)
        if directory and swit:
            plan = reconcile(directory, swit, policy, memory)
            _say_plan(console, plan, swit, settings, store)
            findings = plan.findings
        elif directory:
            findings = directory_findings(directory, policy, memory)
            _say_findings(console, findings)
        if store.tokens.rest_in_clear():
            console.print(f"Warning: {_IN_CLEAR}", style="yellow", markup=False, soft_wrap=True)
        say_webhooks(console, settings)
        if directory and file:
            console.print(f"{file.write(findings)} findings are in {csv}", markup=False)
    for error in (directory_error, swit_error):
        if error is not None:
            print_text(trouble, str(error), style="red")
    undelivered = send_message and not sent_message(console, trouble, settings)
    wrong_settings = any(isinstance(e, SettingsError) for e in (directory_error, swit_error))
    if wrong_settings:
        return 2
    return int(undelivered or directory_error is not None or swit_error is not None)


def _directory(settings: Settings) -> tuple[DirectoryState | None, Exception | None]:
    try:
        settings.require("directory")
        return open_directory(settings).read(), None
    except (SettingsError, DirectoryError) as error:
        return None, error


def _swit(settings: Settings, store: Store) -> tuple[SwitState | None, Exception | None]:
    try:
        settings.require("swit", token_stored=store.tokens.load() is not None)
        with swit_connection(settings, store) as client:
            return read_organization(client, expected=settings.expected_organization), None
    except (SettingsError, SwitError) as error:
        return None, error


def _say_directory(
    console: Console, directory: DirectoryState, read: Mapping[str, Mapping[str, int]]
) -> None:
    facts = directory.facts
    lines = [
        f"Users: {counts_in_words(read['users'])}",
        f"Groups: {counts_in_words(read['groups'])}",
    ]
    if len(facts.bases) > 1:
        users, groups = (Counter(column(f, "base")) for f in (directory.users, directory.groups))
        lines += [
            f"  {base}: {users[base]} users and {groups[base]} groups read"
            for base in (one.base for one in facts.bases)
        ]
    if others := facts.left_out.get("other entries"):
        kinds = listed(f"{count} {kind}" for kind, count in others.items())
        lines.append(f"Other entries: {sum(others.values())} not read ({kinds})")
    for line in lines:
        print_text(console, line)
    for warning in facts.warnings:
        print_text(console, f"Warning: {warning}", style="yellow")


def _say_swit(console: Console, swit: SwitState) -> None:
    active = int(swit.users["active"].sum())
    print_text(console, f"Swit: {len(swit.users)} users ({active} active), {len(swit.teams)} teams")
    me = swit.users[swit.users["user_id"] == swit.facts.authorised_user_id]
    if not me.empty:
        print_text(console, f"Authorised: {me.iloc[0]['email']} (never touched)")
    for warning in swit.facts.warnings:
        print_text(console, f"Warning: {warning}", style="yellow")


def _say_plan(
    console: Console, plan: Plan, swit: SwitState, settings: Settings, store: Store
) -> None:
    print_text(console, f"A plan made now: {summary(plan.changes)}")
    team_tree(console, tree_of(_all_teams(swit), plan.changes))
    _say_findings(console, plan.findings)
    verdicts = approver(settings, store).judged(plan)
    guards_table(console, [verdict.document() for verdict in verdicts])


def _say_findings(console: Console, findings: Iterable[Finding]) -> None:
    findings_table(console, findings, all_of_them="check --csv FILE writes all of the directory")


def _all_teams(swit: SwitState) -> Iterator[TeamBefore]:
    columns = (column(swit.teams, name) for name in ("team_id", "name", "parent_id"))
    for team_id, name, parent_id in zip(*columns, strict=True):
        yield TeamBefore(team_id=team_id, name=name, parent_id=parent_id)
