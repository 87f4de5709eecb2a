"""`settings`: every setting, its value and where that comes from."""

from rich.markup import escape

from swit_provisioning.cli.console import output, print_json
from swit_provisioning.cli.tables import own_header, print_table
from swit_provisioning.resources.state import open_store
from swit_provisioning.setting_sources import shown_settings, unknown_variables
from swit_provisioning.settings import Settings


def list_settings(settings: Settings, *, as_json: bool) -> int:
    """Print them; as JSON, with the variables that nothing reads."""
    shown = shown_settings(settings)
    if as_json:
        document = {
            "settings": [vars(setting) for setting in shown],
            "unknown": [
                {"name": name, "meant": meant or None}
                for name, meant in unknown_variables().items()
            ],
        }
        print_json(document)
        return 0
    console = output()
    with open_store(settings) as store:
        own_header(console, settings, store.organization.bound_to())
    rows = []
    for setting in shown:
        name = escape(setting.name) if setting.source == "default" else f"[bold]{setting.name}[/]"
        rows.append([name, escape(setting.value), escape(setting.source)])
    print_table(console, ("setting", "value", "from"), rows, whole={"setting"})
    return 0
