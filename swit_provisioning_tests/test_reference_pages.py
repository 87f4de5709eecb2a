"""Reference pages that are generated from the code, or whose names are compared with it.

Run with UPDATE_DOCS=1 to write the generated pages.
"""

import ast
import os
import re
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import dagster as dg
import pytest

from swit_provisioning.apply.run_model import RunState
from swit_provisioning.definitions import defs
from swit_provisioning.defs.gate import GUARD_SAYS
from swit_provisioning.planning.guards import GUARDS, NEVER_LIFTED
from swit_provisioning.planning.limits import COUNTED
from swit_provisioning.settings import Settings
from swit_provisioning_tests.test_documentation import default_of

ROOT = Path(__file__).parent.parent
PACKAGE = ROOT / "swit_provisioning"
REFERENCE = ROOT / "docs" / "reference"
ROW = re.compile(r"^\| `([^`]+)` \|", re.MULTILINE)
GUARDS_HEAD = """# Guards

A guard is a check on a plan. If one fails, the plan is blocked and nothing is written. All guards
are judged before the first write, on exactly the changes that would be sent. In the Dagster UI they
are checks on `change_plan` and `accepted_plan`.

Some guards can be approved for one plan: see [Approve a plan](../how-to/approve.md).
[Safety model](../explanation/safety.md) explains how limits count.
"""
ASSETS_HEAD = """# Assets, checks and jobs

Everything that the Dagster UI shows. The assets are pandas data frames, stored as Parquet files,
with row counts, column schemas and a preview in their metadata.
"""
DETAILS = {
    "directory_read_is_complete": "It fails if a page, a range of members or a search base is"
    " missing, or if no usable user was read.",
    "swit_read_is_complete": "It fails if the users read are not the total that Swit reports, or"
    " if there is more than one root team. The account of the login has to be an active admin.",
    "protected_users_untouched": "It fails if a user with a role in `PROTECTED_ROLES`, a user in"
    " `USERS_TO_EXCLUDE` or a team in `SWIT_TEAMS_TO_KEEP` would be changed against its"
    " protection.",
    "first_sync_takes_nothing_away": "It fails until one plan was applied completely, or a complete"
    " read found nothing to do, if the plan deactivates, removes, deletes or activates.",
    "directory_has_not_shrunk": "It compares users and groups of each search base with the last"
    " accepted read.",
    "directory_attributes_still_there": "It compares how many people and groups have an attribute,"
    " an account state or members with the last accepted read.",
    "deactivations_within_limit": "A share is of the active users who may be deactivated. One"
    " deactivation always passes. `USER_REMOVAL=remove` needs an approval each time.",
    "activations_within_limit": "A share is of the active users. Five activations always pass.",
    "team_deletions_within_limit": "A share is of the managed teams. One deletion always passes."
    " Teams that are renamed to `(removed) ...` count too.",
    "membership_removals_within_limit": "It judges all removals, and those of each team"
    " (`MAX_MEMBERSHIP_REMOVALS_PER_TEAM`). It also fails if a team of five or more would lose all"
    " members. Memberships of deactivated users do not count. Five removals always pass.",
    "creations_within_limit": "A share is of the users or teams that are present. Twenty creations"
    " always pass, and a first sync may create all.",
    "updates_within_limit": "A share is of all users and teams: names, phone numbers, places, order"
    " and primary teams. Twenty updates always pass.",
}
GROUPS = {
    "directory": "Assets of the directory",
    "swit": "Assets of Swit",
    "difference": "Differences and the plan",
    "apply": "Applied changes",
}


def guards_page() -> str:
    page = GUARDS_HEAD
    for guard in GUARDS:
        counted = ", ".join(f"`{action}`" for action in sorted(COUNTED.get(guard, ())))
        meaning = f"{GUARD_SAYS[guard]} {DETAILS.get(guard, '')}".strip()
        named = dict.fromkeys(re.findall(r"[A-Z]+_[A-Z_]+", meaning))
        settings = ", ".join(
            f"`{name}` ({default_of(name.lower())})"
            for name in named
            if name.lower() in Settings.model_fields
        )
        page += f"\n## {guard}\n{meaning}\n\n"
        page += f"- Can be approved: {'no' if guard in NEVER_LIFTED else 'yes'}\n"
        page += f"- Settings: {settings}\n" if settings else ""
        page += f"- Counts: {counted}\n" if counted else ""
    return page


def row(name: str, description: str | None) -> str:
    words = " ".join((description or "").split()).replace("|", "\\|")
    assert words, name
    return f"| `{name}` | {words} |\n"


def table(head: str, rows: Iterable[str]) -> str:
    return f"\n## {head}\n| name | description |\n|---|---|\n" + "".join(sorted(rows))


def specs_of(repository: dg.RepositoryDefinition) -> Iterator[dg.AssetSpec]:
    for key, asset in repository.assets_defs_by_key.items():
        yield asset.get_asset_spec(key)


def checks_of(repository: dg.RepositoryDefinition) -> Iterator[str]:
    for key, check in repository.asset_checks_defs_by_key.items():
        if key.name not in GUARDS:
            spec = next(spec for spec in check.check_specs if spec.key == key)
            yield row(key.name, f"On `{key.asset_key.to_user_string()}`. {spec.description}")


def assets_page() -> str:
    repository = defs().get_repository_def()
    page = ASSETS_HEAD
    specs = list(specs_of(repository))
    assert {spec.group_name for spec in specs} == set(GROUPS)
    for group, head in GROUPS.items():
        page += table(
            head,
            (
                row(spec.key.to_user_string(), spec.description)
                for spec in specs
                if spec.group_name == group
            ),
        )
    page += table("Checks", checks_of(repository))
    page += "\nThe checks on `change_plan` and `accepted_plan` are the [guards](guards.md).\n"
    jobs = [job for job in repository.get_all_jobs() if not job.name.startswith("__")]
    page += table("Jobs", (row(job.name, job.description) for job in jobs))
    schedules = repository.schedule_defs
    page += table("Schedules", (row(each.name, each.description) for each in schedules))
    page += "\nThe schedule `daily_sync` exists if `SCHEDULE_TIME` is set.\n"
    sensors = repository.sensor_defs
    page += table("Sensors", (row(each.name, each.description) for each in sensors))
    return page


@pytest.mark.parametrize(("name", "made"), [("guards", guards_page), ("assets", assets_page)])
def test_a_generated_page_is_what_the_code_declares(
    name: str, made: Callable[[], str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    page = REFERENCE / f"{name}.md"
    if os.environ.get("UPDATE_DOCS"):
        page.write_text(made(), encoding="utf-8")
    assert page.read_text(encoding="utf-8") == made()


def calls_in_package() -> Iterator[ast.Call]:
    for folder in ("planning", "sources"):
        for path in (PACKAGE / folder).rglob("*.py"):
            tree = ast.parse(path.read_text(encoding="utf-8"))
            yield from (node for node in ast.walk(tree) if isinstance(node, ast.Call))


def keys_of(function: str) -> set[str]:
    """The keys of the document that a function in `cli/documents.py` returns."""
    tree = ast.parse((PACKAGE / "cli" / "documents.py").read_text(encoding="utf-8"))
    body = next(n for n in tree.body if isinstance(n, ast.FunctionDef) and n.name == function)
    returned = next(n.value for n in ast.walk(body) if isinstance(n, ast.Return))
    assert isinstance(returned, ast.Dict)
    found: set[str] = set()
    for key, value in zip(returned.keys, returned.values, strict=True):
        if isinstance(key, ast.Constant):
            found.add(str(key.value))
        else:
            assert isinstance(value, ast.Call)
            found |= keys_of(ast.unparse(value.func))
    return found


@pytest.mark.parametrize(
    ("section", "function"),
    [
        ("plan and show", "plan_document"),
        ("plans", "listed_plan_document"),
        ("apply and sync", "run_document"),
        ("history", "history_document"),
        ("Changes", "change_document"),
    ],
)
def test_the_page_of_json_output_lists_every_key(section: str, function: str) -> None:
    page = (REFERENCE / "json-output.md").read_text(encoding="utf-8")
    text = page.partition(f"## {section}\n")[2].partition("\n## ")[0]
    table = text.partition("| key | value |")[2].partition("\n\n")[0]
    cells = "".join(re.findall(r"^\| (`[^|]+) \|", table, re.MULTILINE))
    assert set(re.findall(r"`([a-z_]+)`", cells)) == keys_of(function)


def test_the_page_of_json_output_lists_every_status() -> None:
    page = (REFERENCE / "json-output.md").read_text(encoding="utf-8")
    table = page.partition("| `status` | exit code |")[2].partition("\n\n")[0]
    listed = set(re.findall(r"`([a-z ]+)`", table))
    assert listed == {state.json_state.value for state in RunState} - {RunState.PLANNED.value}
