"""`check`: read both sides and report what is there. Writes nothing."""

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Final, Self

from rich.console import Console

from swit_provisioning.cli.errors import UnwritableFileError
from swit_provisioning.cli.framework import errors, output, print_text, warn_of_open_files
from swit_provisioning.cli.render import findings_table, guards_table, header, team_tree
from swit_provisioning.operations.connections import open_directory, swit_connection
from swit_provisioning.operations.services import open_store, plan_judge
from swit_provisioning.operations.webhooks import channels, no_channels, post_at_once
from swit_provisioning.planning.baselines import directory_counts
from swit_provisioning.planning.findings import directory_findings, findings_frame
from swit_provisioning.planning.guards import counts_in_words
from swit_provisioning.planning.model import Finding, Plan, TeamBefore
from swit_provisioning.planning.planner import make_plan
from swit_provisioning.planning.snapshots import DirectorySnapshot, OrganizationSnapshot, column
from swit_provisioning.report.messages import Message
from swit_provisioning.report.summary import summary
from swit_provisioning.report.tree import tree_of
from swit_provisioning.settings import Settings, SettingsError
from swit_provisioning.sources.base import DirectoryError, listed
from swit_provisioning.state.store import Store
from swit_provisioning.swit.errors import SwitError
from swit_provisioning.swit.reader import read_organization

# Text that a spreadsheet would evaluate as a formula, also after spaces and in full width.
_FORMULA: Final = re.compile(r"[\t\r\n]|\s*[=+\-@＝＋－＠]")  # noqa: RUF001 - full width is meant
_EXAMPLE: Final = "swit-provisioning check --csv findings.csv"


class FindingsFile:
    """A CSV file of findings that is opened before anything is read, to prove it writable.

    UTF-8 with a BOM, as Excel needs it; columns kind, dn, attribute, reason. If nothing is
    written, an existing file keeps its content and no new file remains.
    """

    def __init__(self, path: Path) -> None:
        """Open the file without changing it.

        Raises:
            UnwritableFileError: the file cannot be written.

        """
        self._path = path
        self._is_empty_and_new = not path.exists()
        try:
            path.open("ab").close()
        except OSError as error:
            raise UnwritableFileError(path, error, example=_EXAMPLE) from error

    def __enter__(self) -> Self:
        """Return the file, which is not open."""
        return self

    def __exit__(self, *_error: object) -> None:
        """Remove the empty file that was created as a proof."""
        if self._is_empty_and_new:
            self._path.unlink(missing_ok=True)

    def write(self, findings: Iterable[Finding]) -> int:
        """Replace the content by the findings of the directory; their number.

        Raises:
            UnwritableFileError: writing failed.

        """
        rows = findings_frame(findings).map(as_text_cell)
        self._is_empty_and_new = False
        try:
            rows.to_csv(self._path, index=False, encoding="utf-8-sig", lineterminator="\r\n")
        except OSError as error:
            raise UnwritableFileError(self._path, error, example=_EXAMPLE) from error
        return len(rows)


def as_text_cell(text: str) -> str:
    """The text for a spreadsheet: with `'` in front if it would be evaluated as a formula."""
    return f"'{text}" if _FORMULA.match(text) else text


_SHOWN = {
    "messages": "with codes instead of people",
    "everywhere": "with codes instead of people",
    "nowhere": "with people's names (HIDE_NAMES=nowhere)",
}


def print_webhooks(console: Console, settings: Settings) -> None:
    """Print which webhooks get messages."""
    found = channels(settings)
    where = [f"{channel.webhook.variable} ({channel.webhook.host})" for channel in found]
    text = f"{' and '.join(where)}, {_SHOWN[settings.hide_names]}" if where else "nowhere"
    console.print(f"Messages go to: {text}", markup=False, highlight=False, soft_wrap=True)
    for channel in found:
        if channel.webhook.is_unencrypted:
            warning = (
                f"Warning: {channel.webhook.variable} starts with http: anyone on the network path"
                " can read the messages and post there. Use https."
            )
            console.print(warning, style="yellow", markup=False, soft_wrap=True)


def post_test_message(console: Console, trouble: Console, settings: Settings) -> bool:
    """Post a test message to every webhook; True if all accepted it."""
    found = channels(settings)
    if not found:
        trouble.print(no_channels(settings), highlight=False, soft_wrap=True)
        return False
    mode = "" if settings.mode == "live" else f"{settings.mode} · "
    words = f"{mode}Swit provisioning: this is a test message."
    message = Message(event="test", severity="info", lines=(words,), facts={"mode": settings.mode})
    troubles = post_at_once(settings, message)
    for said in troubles:
        trouble.print(said, style="red", markup=False, highlight=False, soft_wrap=True)
    if not troubles:
        console.print(f"A test message was sent to {len(found)} webhook(s).", highlight=False)
    return not troubles


_UNENCRYPTED: Final = (
    "The stored login is NOT ENCRYPTED. Anyone who can read the state database or a backup of it"
    " can use Swit as this administrator. Set TOKEN_ENCRYPTION_KEY, then run `swit-provisioning"
    " login` again."
)


def check_both_sides(
    settings: Settings, csv: Path | None = None, *, send_message: bool = False
) -> int:
    """Read each side, even if the other one fails. Exit code 1 if one fails.

    The findings of the directory are written to `csv`; with `send_message` the webhooks get a
    test message.

    Raises:
        UnwritableFileError: `csv` cannot be written. Nothing was read.

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
            _print_directory(console, directory, directory_counts(directory, policy, memory))
        if swit:
            _print_swit(console, swit)
        if directory and swit:
            plan = make_plan(directory, swit, policy, memory)
            _print_plan(console, plan, swit, settings, store)
            findings = plan.findings
        elif directory:
            findings = directory_findings(directory, policy, memory)
            _print_findings(console, findings)
        if store.tokens.rest_in_clear():
            console.print(f"Warning: {_UNENCRYPTED}", style="yellow", markup=False, soft_wrap=True)
        print_webhooks(console, settings)
        if directory and file:
            console.print(f"{file.write(findings)} findings are in {csv}", markup=False)
    for error in (directory_error, swit_error):
        if error is not None:
            print_text(trouble, str(error), style="red")
    undelivered = send_message and not post_test_message(console, trouble, settings)
    wrong_settings = any(isinstance(e, SettingsError) for e in (directory_error, swit_error))
    if wrong_settings:
        return 2
    return int(undelivered or directory_error is not None or swit_error is not None)


def _directory(settings: Settings) -> tuple[DirectorySnapshot | None, Exception | None]:
    try:
        settings.require("directory")
        return open_directory(settings).read(), None
    except (SettingsError, DirectoryError) as error:
        return None, error


def _swit(settings: Settings, store: Store) -> tuple[OrganizationSnapshot | None, Exception | None]:
    try:
        settings.require("swit", token_stored=store.tokens.load() is not None)
        with swit_connection(settings, store) as client:
            return read_organization(client, expected=settings.expected_organization), None
    except (SettingsError, SwitError) as error:
        return None, error


def _print_directory(
    console: Console, directory: DirectorySnapshot, read: Mapping[str, Mapping[str, int]]
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


def _print_swit(console: Console, swit: OrganizationSnapshot) -> None:
    active = int(swit.users["active"].sum())
    print_text(console, f"Swit: {len(swit.users)} users ({active} active), {len(swit.teams)} teams")
    me = swit.users[swit.users["user_id"] == swit.facts.authorised_user_id]
    if not me.empty:
        print_text(console, f"Authorised: {me.iloc[0]['email']} (never changed)")
    for warning in swit.facts.warnings:
        print_text(console, f"Warning: {warning}", style="yellow")


def _print_plan(
    console: Console, plan: Plan, swit: OrganizationSnapshot, settings: Settings, store: Store
) -> None:
    print_text(console, f"A plan made now: {summary(plan.changes)}")
    team_tree(console, tree_of(_all_teams(swit), plan.changes))
    _print_findings(console, plan.findings)
    results = plan_judge(settings, store).judge(plan)
    guards_table(console, [result.document() for result in results])


def _print_findings(console: Console, findings: Iterable[Finding]) -> None:
    findings_table(console, findings, all_of_them="check --csv FILE writes all of the directory")


def _all_teams(swit: OrganizationSnapshot) -> Iterator[TeamBefore]:
    columns = (column(swit.teams, name) for name in ("team_id", "name", "parent_id"))
    for team_id, name, parent_id in zip(*columns, strict=True):
        yield TeamBefore(team_id=team_id, name=name, parent_id=parent_id)
