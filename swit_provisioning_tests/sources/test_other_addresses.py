"""`proxyAddresses`: Exchange's main address, and the others."""

from pathlib import Path

import pytest

from swit_provisioning.planning.snapshots import column
from swit_provisioning.sources.ldif_file import LdifDirectory


@pytest.mark.parametrize(
    ("lines", "emails", "others"),
    [
        (["mail: ann@x"], ["ann@x"], None),
        (
            ["mail: ann@x", "proxyAddresses: SMTP:Ann@X", "proxyAddresses: smtp:a.old@x"],
            ["ann@x"],
            ["a.old@x"],
        ),
        (["proxyAddresses: smtp:a.old@x", "proxyAddresses: SMTP:ann@x"], ["ann@x"], ["a.old@x"]),
        (["mail: ann@x", "proxyAddresses: X500:/o=x/cn=ann"], ["ann@x"], None),
        (["mail: ann@x", "proxyAddresses: sip:ann@sip.x"], ["ann@x"], None),
        (["mail: new@x", "proxyAddresses: SMTP:ann@x"], ["new@x"], ["ann@x"]),
    ],
)
def test_addresses_beside_the_main_one_are_kept_apart(
    tmp_path: Path, lines: list[str], emails: list[str], others: list[str] | None
) -> None:
    path = tmp_path / "export.ldif"
    head = ["dn: CN=Ann,DC=x", "objectClass: user", "objectClass: person", "cn: Ann"]
    path.write_text("\n".join([*head, *lines, ""]), encoding="utf-8")
    users = LdifDirectory(path).read().users
    assert column(users, "emails") == [emails]
    assert column(users, "other_emails") == [others]
