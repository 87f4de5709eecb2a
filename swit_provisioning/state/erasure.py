"""A person replaced by a code in everything that the state remembers; who was who is deleted."""

import json
import secrets
import zlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final, Self

from sqlalchemy import (
    Boolean,
    Column,
    Connection,
    Integer,
    String,
    Table,
    Text,
    delete,
    insert,
    select,
    update,
)

from swit_provisioning.planning.model import NEW_USER
from swit_provisioning.state.database import METADATA, Database, put
from swit_provisioning.state.errors import TokensUnreadableError
from swit_provisioning.state.identities import IDENTITIES
from swit_provisioning.state.journal import JOURNAL
from swit_provisioning.state.plans import CONTENTS, FORGOTTEN, MADE, content_of, packed
from swit_provisioning.state.tokens import TOKENS, Cipher


@dataclass(frozen=True, kw_only=True)
class Trace:
    """What one record says about one person, as written."""

    addresses: frozenset[str] = frozenset()
    swit_ids: frozenset[str] = frozenset()
    dns: frozenset[str] = frozenset()
    """DNs, in any spelling."""
    entry_ids: frozenset[str] = frozenset()
    """What the directory calls the entry, beside its DN."""
    words: frozenset[str] = frozenset()
    """Names, numbers, other addresses: others may have the same."""

    @property
    def keys(self) -> frozenset[str]:
        """What stands for this person alone, as it is compared."""
        written = self.addresses | self.swit_ids | self.dns | self.entry_ids
        return frozenset(key.strip().casefold() for key in written)

    def joined(self, other: "Trace") -> Self:
        """Both, of one person."""
        return type(self)(
            addresses=self.addresses | other.addresses,
            swit_ids=self.swit_ids | other.swit_ids,
            dns=self.dns | other.dns,
            entry_ids=self.entry_ids | other.entry_ids,
            words=self.words | other.words,
        )


def texts(*values: object) -> frozenset[str]:
    """Those of the values that are texts with something in them."""
    return frozenset(value for value in values if isinstance(value, str) and value.strip())


def traces_of_change(record: Mapping[str, Any]) -> Iterator[Trace]:
    """Of a change in a plan, or of an entry of the journal."""
    action, before, after = str(record["action"]), record["before"], record["after"]
    if action.startswith("membership."):
        for side in (before, after):
            for user, email in zip(side.get("user_ids", ()), side.get("emails", ()), strict=True):
                yield Trace(swit_ids=_swit_ids(user), addresses=texts(email))
    elif action.startswith("user.") or action == "primary.update":
        sides = (before, after) if action.startswith("user.") else ()
        yield Trace(
            addresses=texts(record["target"], *(side.get("email") for side in sides)),
            swit_ids=_swit_ids(record["object_id"], record.get("made_id")),
            words=texts(*(side.get(name) for side in sides for name in ("name", "phone_number"))),
        )


def _swit_ids(*values: object) -> frozenset[str]:
    return frozenset(value for value in texts(*values) if not value.startswith(NEW_USER))


Replace = Callable[[Any], Any]
"""A record (JSON values) as it is once the person is forgotten; the same one if it isn't named."""

_SECRETS: Final = Table(
    "pseudonym_secret",
    METADATA,
    Column("id", Integer, primary_key=True, autoincrement=False),
    Column("secret", Text, nullable=False),
    Column("encrypted", Boolean, nullable=False),
)
_CHANGES: Final = ("changes", "disabled", "held")


class Forgetting:
    """Finds people in rows, and rewrites these."""

    def __init__(self, database: Database, cipher: Cipher) -> None:
        """Take the open database and how secrets are written down."""
        self._database = database
        self._cipher = cipher

    def secret(self) -> str:
        """What codes are made with: who has it can test a guess, nobody can read a code back.

        One that was encrypted with a key that is gone is replaced: codes made from then on differ.
        """
        with self._database.write() as connection:
            row = connection.execute(select(_SECRETS)).one_or_none()
            if row is not None:
                try:
                    return self._cipher.unseal(row.secret, encrypted=row.encrypted)
                except TokensUnreadableError:
                    connection.execute(delete(_SECRETS))
            made = secrets.token_hex(32)
            sealed = {"secret": self._cipher.seal(made), "encrypted": self._cipher.encrypts}
            connection.execute(insert(_SECRETS).values(id=1, **sealed))
        return made

    def traces(self, names: Callable[[str], bool]) -> Iterator[Trace]:
        """Of all people in rows in which `names` finds somebody it looks for."""
        with self._database.read() as connection:
            rows = connection.execute(select(IDENTITIES).where(IDENTITIES.c.kind == "user"))
            for row in rows:
                if names(f"{row.directory_id}\n{row.swit_id}"):
                    yield _of_identity(row.directory_id, row.swit_id)
            for (content,) in connection.execute(select(CONTENTS.c.content)):
                if names(zlib.decompress(content).decode()):
                    yield from _of_plan(content_of(content))
            for entry in connection.execute(select(JOURNAL)).mappings():
                if names("\n".join(texts(*entry.values()))):
                    sides = {side: json.loads(entry[side]) for side in ("before", "after")}
                    yield from traces_of_change({**entry, **sides})

    def replace(self, replace: Replace, person: Trace) -> dict[str, int]:
        """Replace in every text, and delete who the person was; all of it or, on an error, nothing.

        Returns how many rows of each table were changed.
        """
        with self._database.write() as connection:
            changed = {"identity": _delete_identities(connection, person)}
            changed["plan_content"] = _replace_in_plans(connection, replace)
            for table in METADATA.sorted_tables:
                if table not in {CONTENTS, IDENTITIES, TOKENS, _SECRETS}:
                    changed[table.name] = _replace_in(connection, table, replace)
        self._database.tidy()
        return {name: number for name, number in changed.items() if number}


def _of_identity(directory_id: str, swit_id: str) -> Trace:
    kind = "dns" if "=" in directory_id else "entry_ids"
    return Trace(swit_ids=texts(swit_id), **{kind: texts(directory_id)})


def _of_plan(document: Mapping[str, Any]) -> Iterator[Trace]:
    for name in _CHANGES:
        for change in document.get(name, ()):
            yield from traces_of_change(change)
    for binding in document["bindings"]:
        if binding["kind"] == "user" and not binding["object_id"].startswith("new:"):
            yield _of_identity(binding["directory_id"], binding["object_id"])


def _delete_identities(connection: Connection, person: Trace) -> int:
    gone = 0
    for row in connection.execute(select(IDENTITIES).where(IDENTITIES.c.kind == "user")).all():
        if _of_identity(row.directory_id, row.swit_id).keys & person.keys:
            c = IDENTITIES.c
            mine = delete(IDENTITIES).where(c.kind == "user", c.directory_id == row.directory_id)
            gone += connection.execute(mine).rowcount
    return gone


def _replace_in_plans(connection: Connection, replace: Replace) -> int:
    """A content gets a hash of its own: the same plan made anew must not find the old one."""
    changed = 0
    stored = select(CONTENTS.c.content_hash, CONTENTS.c.content)
    for name, content in connection.execute(stored).all():
        before = content_of(content)
        after = _plan_replaced(before, replace)
        if after != before:
            new_name, new_content = packed(after)
            put(
                connection,
                CONTENTS,
                key={"content_hash": new_name},
                values={"content": new_content},
            )
            mine = update(MADE).where(MADE.c.content_hash == name)
            connection.execute(mine.values(content_hash=new_name))
            connection.execute(delete(CONTENTS).where(CONTENTS.c.content_hash == name))
            changed += 1
    return changed


def _plan_replaced(before: Mapping[str, Any], replace: Replace) -> dict[str, Any]:
    """Each change and each finding is a record of its own.

    A plan that would send something else now is marked: it can be read, and no longer be applied.
    """
    records = {*_CHANGES, "findings", "bindings"}
    after: dict[str, Any] = replace({k: v for k, v in before.items() if k not in records})
    for name in records & before.keys():
        after[name] = [replace(record) for record in before[name]]
    pairs = zip(before["bindings"], after["bindings"], strict=True)
    after["bindings"] = [was for was, now in pairs if was["kind"] != "user" or was == now]
    if any(after[name] != before[name] for name in ("changes", "policy")):
        after[FORGOTTEN] = True
    return {name: after[name] for name in (*before, FORGOTTEN) if name in after}


def _replace_in(connection: Connection, table: Table, replace: Replace) -> int:
    names = [c.name for c in table.columns if isinstance(c.type, Text | String)]
    keys = list(table.primary_key.columns)
    changed = 0
    for row in connection.execute(select(table)).mappings().all():
        before = {name: row[name] for name in names}
        after = replace(before)
        if after != before:
            mine = [column == row[column.name] for column in keys]
            connection.execute(update(table).where(*mine).values(**after))
            changed += 1
    return changed
