"""`settings`: every setting, its value and where that comes from."""

from rich.markup import escape
from rich.table import Table

from swit_provisioning.cli.console import errors, output, print_json
from swit_provisioning.cli.tables import own_header
from swit_provisioning.resources.state import open_store
from swit_provisioning.setting_sources import shown_settings, unknown_variables
from swit_provisioning.settings import Settings


def list_settings(settings: Settings, *, as_json: bool) -> int:
    """Print them; what looks like a misspelt one is a warning."""
    shown, unknown = shown_settings(settings), unknown_variables()
    if as_json:
        document = {
            "settings": [vars(setting) for setting in shown],
            "unknown": [{"name": name, "meant": meant or None} for name, meant in unknown.items()],
        }
        print_json(document)
        return 0
    console = output()
    with open_store(settings) as store:
        own_header(console, settings, store.organization.bound_to())
    table = Table()
    for column in ("setting", "value", "from"):
        table.add_column(column, overflow="fold")
    for setting in shown:
        set_by_hand = setting.source != "default"
        cells = map(escape, (setting.name, setting.value, setting.source))
        table.add_row(*cells, style="bold" if set_by_hand else "")
    console.print(table)
    for name, meant in unknown.items():
        hint = f": {meant} may be meant" if meant else ""
        warning = f"Warning: nothing reads {name}{hint}."
        errors().print(warning, style="yellow", markup=False, highlight=False)
    return 0
