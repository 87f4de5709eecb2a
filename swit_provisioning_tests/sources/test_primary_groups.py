"""Active Directory's primary groups: members that no group lists."""

import base64
from collections.abc import Mapping
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from swit_provisioning.sources.entries import Value, security_id_text
from swit_provisioning.sources.ldif_file import LdifDirectory

DOMAIN = (21, 1004336348, 1177238915, 682003330)
ELSEWHERE = (21, 1, 2, 3)


def sid(*parts: int) -> bytes:
    """The form in which servers send it, written by the book (MS-DTYP 2.4.2.2)."""
    head = bytes([1, len(parts)]) + (5).to_bytes(6, "big")
    return head + b"".join(part.to_bytes(4, "little") for part in parts)


@given(st.lists(st.integers(0, 2**32 - 1), min_size=1, max_size=15))
def test_bytes_and_text_name_the_same_security_id(parts: list[int]) -> None:
    text = "-".join(["S-1-5", *map(str, parts)])
    assert (
        security_id_text(sid(*parts))
        == security_id_text(text)
        == security_id_text(text.lower().encode())
        == text
    )


@pytest.mark.parametrize("value", [b"", b"\x01", b"\x01\x02\x00\x00", sid(1, 2)[:-1], "S-1", "x"])
def test_what_is_no_security_id_names_nobody(value: Value) -> None:
    assert security_id_text(value) == ""


def record(dn: str, classes: str, attributes: Mapping[str, bytes | str]) -> str:
    """An entry as `ldapsearch` and `ldifde` export it: what isn't text in base64."""
    lines = [f"dn: {dn}", *(f"objectClass: {name}" for name in classes.split())]
    for name, value in attributes.items():
        raw = value if isinstance(value, bytes) else value.encode()
        lines.append(f"{name}:: {base64.b64encode(raw).decode()}")
    return "\n".join(lines) + "\n"


def user(name: str, security_id: bytes, primary: str) -> str:
    ids: dict[str, bytes | str] = {"objectSid": security_id, "primaryGroupID": primary}
    return record(f"CN={name},DC=x", "person user", {"mail": f"{name}@x.test", **ids})


def group(name: str, security_id: bytes, member: str | None = None) -> str:
    listed = {} if member is None else {"member": member}
    return record(f"CN={name},DC=x", "group", {"cn": name, "objectSid": security_id, **listed})


def members(path: Path, *records: str) -> list[tuple[str, str]]:
    path = path / "export.ldif"
    path.write_text("\n".join(records), encoding="utf-8")
    frame = LdifDirectory(path).read().memberships
    return list(zip(frame["group"], frame["member_dn"], strict=True))


def test_a_user_is_a_member_of_the_primary_group(tmp_path: Path) -> None:
    """Everybody in a domain is in Domain Users, whose list of members is empty."""
    assert members(
        tmp_path,
        user("ada", sid(*DOMAIN, 1104), "513"),
        user("ben", sid(*DOMAIN, 1105), "1200"),
        group("Domain Users", sid(*DOMAIN, 513)),
    ) == [("cn=domain users,dc=x", "CN=ada,DC=x")]


def test_a_primary_group_of_another_domain_is_another_group(tmp_path: Path) -> None:
    assert (
        members(
            tmp_path,
            user("ada", sid(*ELSEWHERE, 1104), "513"),
            group("Domain Users", sid(*DOMAIN, 513)),
        )
        == []
    )


def test_who_is_listed_as_well_is_a_member_once(tmp_path: Path) -> None:
    assert members(
        tmp_path,
        user("ada", sid(*DOMAIN, 1104), "1200"),
        group("Team", sid(*DOMAIN, 1200), member="cn=ADA, dc=X"),
    ) == [("cn=team,dc=x", "cn=ADA, dc=X")]


def test_a_primary_group_that_is_no_number_is_a_finding(tmp_path: Path) -> None:
    path = tmp_path / "export.ldif"
    path.write_text(user("ada", sid(*DOMAIN, 1104), "everybody"), encoding="utf-8")
    (row,) = LdifDirectory(path).read().findings.to_dict("records")
    assert (row["kind"], row["dn"]) == ("invalid number", "CN=ada,DC=x")
    assert row["attribute"] == "primaryGroupID"


def test_the_group_of_a_unix_login_makes_no_member(tmp_path: Path) -> None:
    """A posixGroup's members are those in its memberUid; docs/decisions/0006 says why."""
    people = [
        record(
            f"uid={name},DC=x",
            "inetOrgPerson posixAccount",
            {"uid": name, "mail": f"{name}@x.test", "gidNumber": "100"},
        )
        for name in ("ada", "ben")
    ]
    unix = record(
        "cn=users,DC=x", "posixGroup", {"cn": "users", "gidNumber": "100", "memberUid": "ben"}
    )
    assert members(tmp_path, *people, unix) == [("cn=users,dc=x", "uid=ben,DC=x")]
