"""The documentation says what the program does: settings, assets, checks, commands."""

import os
import re
import textwrap
from pathlib import Path

import pytest
from pydantic_core import PydanticUndefined

from swit_provisioning.cli.main import main
from swit_provisioning.sandbox import SANDBOX_PORT
from swit_provisioning.setting_fields import SECRETS, SECTIONS
from swit_provisioning.settings import Settings

ROOT = Path(__file__).parent.parent
PAGES = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")])
_KINDS = {"docs", "tutorial", "how-to", "reference", "explanation"}
GUIDES = [ROOT / "README.md", *(page for page in PAGES if page.parent.name in _KINDS)]
NO_SETTINGS = {
    "PLAN_ID",
    "HTTPS_PROXY",
    "REQUESTS_CA_BUNDLE",
    "FORWARDED_ALLOW_IPS",
    "SWIT_PROVISIONING_ENV_FILE",
    "MAX_DEACTIVATION",  # the example of a misspelled setting
}
"""Placeholders, and variables that libraries read."""
HEAD = """# Settings

Settings are environment variables, or lines of a file `.env` in the folder where you start the
program. `swit-provisioning init` writes that file, `--env-file FILE` or the variable
`SWIT_PROVISIONING_ENV_FILE` names another one. The environment takes precedence. Every problem is
reported at once, and no secret is shown. `swit-provisioning settings` prints each value and where
it comes from.

Secrets (`{secrets}`) can also be given as files: `LDAP_PASSWORD_FILE=/run/secrets/ldap`.
`HTTPS_PROXY` and `REQUESTS_CA_BUNDLE` work as usual.
"""


def default_of(name: str) -> str:
    value = Settings.model_fields[name].default
    if value in {None, "", ()} or value is PydanticUndefined:
        return "-"
    if isinstance(value, tuple):
        return f"`{','.join(value)}`"
    return f"`{value}`"


def settings_page() -> str:
    secrets = "`, `".join(name.upper() for name in SECRETS)
    page = HEAD.format(secrets=secrets)
    for section in SECTIONS:
        page += f"\n## {(section.__doc__ or '').rstrip('.')}\n"
        page += "| variable | default | meaning |\n|---|---|---|\n"
        page += "".join(
            f"| `{name.upper()}` | {default_of(name)} | {field.description} |\n"
            for name, field in section.model_fields.items()
        )
    return page


def test_every_setting_belongs_to_one_section() -> None:
    declared = [name for section in SECTIONS for name in section.model_fields]
    assert sorted(declared) == sorted(Settings.model_fields)


def test_the_settings_page_lists_every_variable_as_the_program_reads_it() -> None:
    """Run with UPDATE_DOCS=1 to write the page anew."""
    page = ROOT / "docs" / "reference" / "settings.md"
    if os.environ.get("UPDATE_DOCS"):
        page.write_text(settings_page(), encoding="utf-8")
    assert page.read_text(encoding="utf-8") == settings_page()


def test_the_readme_is_short_and_names_five_commands() -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    assert len(readme.splitlines()) <= 120
    five = re.findall(r"^\| `swit-provisioning ([a-z]+)", readme, re.MULTILINE)
    assert len(five) == 5
    assert set(five) <= set(main.commands)


def test_the_index_leads_to_every_page() -> None:
    index = (ROOT / "docs" / "README.md").read_text(encoding="utf-8")
    site = (ROOT / "mkdocs.yml").read_text(encoding="utf-8")
    for kind in ("tutorial", "how-to", "reference", "explanation"):
        for page in (ROOT / "docs" / kind).glob("*.md"):
            assert f"({kind}/{page.name})" in index
            assert f" {kind}/{page.name}\n" in site


@pytest.mark.parametrize("page", PAGES, ids=str)
def test_every_command_in_the_documentation_exists(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    named = re.findall(r"^(?:\$ )?swit-provisioning ([a-z]+)\b", text, re.MULTILINE)
    named += re.findall(r"`swit-provisioning ([a-z]+)\b", text)
    assert [name for name in named if name not in main.commands] == []


@pytest.mark.parametrize("page", GUIDES, ids=str)
def test_every_setting_in_the_documentation_exists(page: Path) -> None:
    code = " ".join(re.findall(r"`([^`\n]+)`", page.read_text(encoding="utf-8")))
    named = set(re.findall(r"\b[A-Z][A-Z0-9]*(?:_[A-Z0-9]+)+\b", code)) - NO_SETTINGS
    known = {name.upper() for name in Settings.model_fields}
    assert named - known - {f"{name.upper()}_FILE" for name in SECRETS} == set()


@pytest.mark.parametrize("page", PAGES, ids=str)
def test_every_heading_that_a_link_names_exists(page: Path) -> None:
    for target, anchor in re.findall(r"\]\(([^)#:]*)#([^)]+)\)", page.read_text(encoding="utf-8")):
        text = (page.parent / target if target else page).read_text(encoding="utf-8")
        headings = re.findall(r"^#+ (.+)$", text, re.MULTILINE)
        assert anchor in {slug(heading) for heading in headings}, f"{target}#{anchor}"


def slug(heading: str) -> str:
    """The anchor of a heading, as GitHub and MkDocs make it."""
    return re.sub(r"[^\w -]", "", heading.lower()).strip().replace(" ", "-")


def example_env() -> str:
    lines = [
        "# Copy to .env and fill in. To set another value than a default, remove the # before it."
    ]
    for section in SECTIONS:
        lines += ["", f"# --- {(section.__doc__ or '').rstrip('.')}"]
        for name, field in section.model_fields.items():
            meaning = str(field.description)
            lines += textwrap.wrap(meaning, 98, initial_indent="# ", subsequent_indent="#   ")
            default = default_of(name).strip("`")
            lines.append(
                f"{name.upper()}=" if default == "-" else f"# {name.upper()}={quoted(default)}"
            )
    shown = "# IS_RUNNING_LOCALLY=False"
    start = "# Remove this line for your own directory and organisation.\nIS_RUNNING_LOCALLY=True"
    return "\n".join(lines).replace(shown, start) + "\n"


def quoted(value: str) -> str:
    return f'"{value}"' if " " in value else value


def test_the_example_env_has_every_variable_with_its_default() -> None:
    """Run with UPDATE_DOCS=1 to write the file anew."""
    file = ROOT / ".env.example"
    if os.environ.get("UPDATE_DOCS"):
        file.write_text(example_env(), encoding="utf-8")
    assert file.read_text(encoding="utf-8") == example_env()


def test_the_example_env_is_test_mode_and_changes_no_other_setting(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    unset = Settings.load().model_dump()
    (tmp_path / ".env").write_text(example_env(), encoding="utf-8")
    assert Settings.load().model_dump() == {**unset, "is_running_locally": True}
    every = re.sub(r"^# ([A-Z_]+=)", r"\1", example_env(), flags=re.MULTILINE)
    (tmp_path / ".env").write_text(every, encoding="utf-8")
    assert Settings.load().model_dump() == {**unset, "is_running_locally": True}


@pytest.mark.parametrize("page", PAGES, ids=str)
def test_every_link_in_the_documentation_leads_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)#]+)\)", page.read_text(encoding="utf-8")):
        if "://" not in target:
            assert (page.parent / target).exists(), target


@pytest.mark.parametrize("page", PAGES, ids=str)
def test_every_module_that_the_documentation_names_exists(page: Path) -> None:
    named = re.findall(r"`((?:[a-z_]+/)+[a-z_0-9]+\.py)`", page.read_text(encoding="utf-8"))
    roots = (ROOT, ROOT / "swit_provisioning", ROOT / "swit_provisioning_tests")
    assert [name for name in named if not any((root / name).exists() for root in roots)] == []


def test_the_guide_for_contributors_describes_every_room() -> None:
    table = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8").partition("## Manners")[0]
    described = {
        name for row in table.splitlines() if row.startswith("| `") for name in _rooms(row)
    }
    package = ROOT / "swit_provisioning"
    assert described == {path.parent.name for path in package.glob("*/__init__.py")}


def _rooms(row: str) -> list[str]:
    return re.findall(r"`([a-z]+)/`", row.split("|")[1])


def test_the_readme_names_the_port_of_the_sandbox() -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    assert (
        f"sandbox --keep    # shows the organisation at http://127.0.0.1:{SANDBOX_PORT}" in readme
    )


def test_each_section_on_performance_states_its_goals_once_and_as_its_table_has_them() -> None:
    page = (ROOT / "docs" / "explanation" / "performance.md").read_text(encoding="utf-8")
    found = re.split("^## ", page, flags=re.MULTILINE)[1:]
    sections = {section.partition("\n")[0]: section for section in found}
    for title, section in sections.items():
        assert len(re.findall(r"^The targets? ", section, re.MULTILINE)) == 1, title
    plans = sections["Making a plan"]
    seconds = re.findall(r"^\| [\d,]+ users,.*?\| [\d,]+ \| ([\d.]+) \|", plans, re.MULTILINE)
    small, large = map(float, seconds)
    assert f"at most eleven times the time ({large / small:.1f})" in plans


def test_the_workspace_here_is_the_packages_own() -> None:
    own = ROOT / "swit_provisioning" / "workspace.yaml"
    assert (ROOT / "workspace.yaml").read_text(encoding="utf-8") == own.read_text(encoding="utf-8")
