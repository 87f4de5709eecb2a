"""`check`: read both sides and report what is there. Writes nothing."""

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Final, Self

from rich.console import Console

from swit_provisioning.cli.console import errors, output, print_header, print_text
from swit_provisioning.cli.framework import UnwritableFileError, warn_of_open_files
from swit_provisioning.cli.render import findings_table, guards_table, team_tree
from swit_provisioning.operations.connections import open_directory, swit_connection
from swit_provisioning.operations.services import open_store, plan_judge
from swit_provisioning.operations.webhooks import channels, no_channels, post_at_once
from swit_provisioning.planning.baselines import directory_counts
from swit_provisioning.planning.findings import directory_findings, findings_frame
from swit_provisioning.planning.guards import counts_in_words
from swit_provisioning.planning.model import Finding, TeamBefore
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
        return self

    def __exit__(self, *_error: object) -> None:
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


_UNENCRYPTED: Final = (
    "The stored login is NOT ENCRYPTED. Anyone who can read the state database or a backup of it"
    " can use Swit as this administrator. Set TOKEN_ENCRYPTION_KEY, then run `swit-provisioning"
    " login` again."
)


def check(settings: Settings, *, csv: Path | None, send_message: bool) -> int:
    """Read each side, even if the other one fails. Exit code 1 if one fails.

    The findings of the directory are written to `csv`; with `send_message` the webhooks get a
    test message.

    Raises:
        UnwritableFileError: `csv` cannot be written. Nothing was read.

    """
    console = output()
    warn_of_open_files(settings)
    with ExitStack() as opened:
        file = opened.enter_context(FindingsFile(csv)) if csv else None
        store = opened.enter_context(open_store(settings))
        directory, swit, problems = _read(settings, store)
        print_header(
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
        findings: Sequence[Finding] = ()
        results: list[dict[str, Any]] = []
        if directory and swit:
            plan = make_plan(directory, swit, policy, memory)
            findings = plan.findings
            print_text(console, f"A plan made now: {summary(plan.changes)}")
            columns = (column(swit.teams, name) for name in ("team_id", "name", "parent_id"))
            teams = [
                TeamBefore(team_id=team_id, name=name, parent_id=parent_id)
                for team_id, name, parent_id in zip(*columns, strict=True)
            ]
            team_tree(console, tree_of(teams, plan.changes))
            results = [result.document() for result in plan_judge(settings, store).judge(plan)]
        elif directory:
            findings = directory_findings(directory, policy, memory)
        findings_table(
            console, findings, all_of_them="check --csv FILE writes all of the directory"
        )
        guards_table(console, results)
        if store.tokens.is_stored_in_clear():
            print_text(console, f"Warning: {_UNENCRYPTED}", style="yellow")
        print_webhooks(console, settings)
        if directory and file:
            print_text(console, f"{file.write(findings)} findings are in {csv}", wrap=False)
    for error in problems:
        print_text(errors(), str(error), style="red")
    is_undelivered = send_message and not post_test_message(console, errors(), settings)
    if any(isinstance(error, SettingsError) for error in problems):
        return 2
    return int(is_undelivered or bool(problems))


def _read(
    settings: Settings, store: Store
) -> tuple[DirectorySnapshot | None, OrganizationSnapshot | None, list[Exception]]:
    """Read both sides; the error of each side that cannot be read."""
    directory, swit, problems = None, None, list[Exception]()
    try:
        settings.require("directory")
        directory = open_directory(settings, store).read()
    except (SettingsError, DirectoryError) as error:
        problems.append(error)
    try:
        settings.require("swit", token_stored=store.tokens.load() is not None)
        with swit_connection(settings, store) as client:
            swit = read_organization(client, expected=settings.expected_organization)
    except (SettingsError, SwitError) as error:
        problems.append(error)
    return directory, swit, problems


def _print_directory(
    console: Console, directory: DirectorySnapshot, read: Mapping[str, Mapping[str, int]]
) -> None:
    facts = directory.facts
    print_text(console, f"Users: {counts_in_words(read['users'])}")
    print_text(console, f"Groups: {counts_in_words(read['groups'])}")
    if len(facts.bases) > 1:
        users, groups = (Counter(column(f, "base")) for f in (directory.users, directory.groups))
        for base in (one.base for one in facts.bases):
            counts = f"{users[base]} users and {groups[base]} groups read"
            print_text(console, f"  {base}: {counts}")
    if others := facts.left_out.get("other entries"):
        kinds = listed(f"{count} {kind}" for kind, count in others.items())
        print_text(console, f"Other entries: {sum(others.values())} not read ({kinds})")
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


def print_webhooks(console: Console, settings: Settings) -> None:
    """Print which webhooks get messages."""
    found = channels(settings)
    where = [f"{channel.webhook.variable} ({channel.webhook.host})" for channel in found]
    is_open = settings.hide_names == "nowhere"
    names = "people's names (HIDE_NAMES=nowhere)" if is_open else "codes instead of people"
    text = f"{' and '.join(where)}, with {names}" if where else "nowhere"
    print_text(console, f"Messages go to: {text}", wrap=False)
    for channel in found:
        if channel.webhook.is_unencrypted:
            warning = (
                f"Warning: {channel.webhook.variable} starts with http: anyone on the network path"
                " can read the messages and post there. Use https."
            )
            print_text(console, warning, style="yellow")


def post_test_message(console: Console, trouble: Console, settings: Settings) -> bool:
    """Post a test message to every webhook; True if all accepted it."""
    found = channels(settings)
    if not found:
        print_text(trouble, no_channels(settings))
        return False
    mode = "" if settings.mode == "live" else f"{settings.mode} · "
    words = f"{mode}Swit provisioning: this is a test message."
    message = Message(event="test", severity="info", lines=(words,), facts={"mode": settings.mode})
    problems = post_at_once(settings, message)
    for problem in problems:
        print_text(trouble, problem, style="red")
    if not problems:
        print_text(console, f"A test message was sent to {len(found)} webhook(s).")
    return not problems
