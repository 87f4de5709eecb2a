"""Personal data in the state: find people, and erase one.

Plans and identities are deleted; in all other rows a code takes the place of the person.
"""

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

from swit_provisioning.planning.actions import SPECS
from swit_provisioning.planning.model import NEW_USER
from swit_provisioning.state.database import METADATA, Database
from swit_provisioning.state.identities import EXEMPTIONS, IDENTITIES
from swit_provisioning.state.journal import JOURNAL
from swit_provisioning.state.stored_plans import CONTENTS, MADE, content_of
from swit_provisioning.state.token_store import TOKENS, Cipher, TokensUnreadableError


@dataclass(frozen=True, kw_only=True)
class Trace:
    """What one record says about one person, as written."""

    keys: frozenset[str] = frozenset()
    """Addresses, ids and DNs: they name this person alone."""
    words: frozenset[str] = frozenset()
    """Names, phone numbers and other addresses: another person may have the same."""

    @property
    def compared_keys(self) -> frozenset[str]:
        """The keys as they are compared with those of other records."""
        return frozenset(key.strip().casefold() for key in self.keys)

    def joined(self, other: Self) -> Self:
        """Both traces, of one person."""
        return type(self)(keys=self.keys | other.keys, words=self.words | other.words)


def texts(*values: object) -> frozenset[str]:
    """The values that are texts and not blank."""
    return frozenset(value for value in values if isinstance(value, str) and value.strip())


def traces_of_change(record: Mapping[str, Any]) -> Iterator[Trace]:
    """The people that a change in a plan, or an entry of the journal, is about."""
    spec, sides = SPECS[record["action"]], (record["before"], record["after"])
    if spec.members:
        for side in sides:
            for user, email in zip(side.get("user_ids", ()), side.get("emails", ()), strict=True):
                yield Trace(keys=_swit_ids(user) | texts(email))
    elif spec.object == "user":
        addresses = texts(record["target"], *(side.get("email") for side in sides))
        words = (side.get(name) for side in sides for name in ("name", "phone_number"))
        yield Trace(
            keys=addresses | _swit_ids(record["object_id"], record.get("made_id")),
            words=texts(*words),
        )


def _swit_ids(*values: object) -> frozenset[str]:
    return frozenset(value for value in texts(*values) if not value.startswith(NEW_USER))


Names = Callable[[str], bool]
"""Whether a text names the person."""
Replace = Callable[[Any], Any]
"""A record (JSON values) with a code for the person; the same one if it doesn't name the person."""

_SECRETS: Final = Table(
    "pseudonym_secret",
    METADATA,
    Column("id", Integer, primary_key=True, autoincrement=False),
    Column("secret", Text, nullable=False),
    Column("encrypted", Boolean, nullable=False),
)


class Erasure:
    """Finds people in the rows of the state, and erases one person."""

    def __init__(self, database: Database, cipher: Cipher) -> None:
        self._database = database
        self._cipher = cipher

    def secret(self) -> str:
        """The key that codes are made with. It can test a guess, but not decode a code.

        One that was encrypted with a lost key is replaced: codes made from then on differ.
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

    def traces(self, may_name: Names) -> Iterator[Trace]:
        """All people in the rows whose text passes `may_name`."""
        with self._database.read() as connection:
            for row in connection.execute(select(IDENTITIES).where(IDENTITIES.c.kind == "user")):
                if may_name(f"{row.directory_id}\n{row.swit_id}"):
                    yield Trace(keys=texts(row.directory_id, row.swit_id))
            for (content,) in connection.execute(select(CONTENTS.c.content)):
                if may_name(zlib.decompress(content).decode()):
                    yield from _traces_of_plan(content_of(content))
            for entry in connection.execute(select(JOURNAL)).mappings():
                if may_name("\n".join(texts(*entry.values()))):
                    sides = {side: json.loads(entry[side]) for side in ("before", "after")}
                    yield from traces_of_change({**entry, **sides})

    def erase(self, person: Trace, names: Names, replace: Replace) -> dict[str, int]:
        """Delete the person's identities and the plans that name them; replace all other texts.

        Exemptions of teams stay, because the settings name those teams.

        Returns how many rows of each table were deleted or changed. On an error nothing is.
        """
        with self._database.write() as connection:
            changed = {
                "identity": _delete_users(connection, IDENTITIES, person),
                "exemption": _delete_users(connection, EXEMPTIONS, person),
                "plan_content": _delete_plans(connection, names),
            }
            for table in METADATA.sorted_tables:
                if table not in {CONTENTS, IDENTITIES, EXEMPTIONS, TOKENS, _SECRETS}:
                    changed[table.name] = _replace_in(connection, table, replace)
        self._database.vacuum()
        return {name: number for name, number in changed.items() if number}


def _traces_of_plan(document: Mapping[str, Any]) -> Iterator[Trace]:
    for name in ("changes", "disabled", "held"):
        for change in document.get(name, ()):
            yield from traces_of_change(change)
    for binding in document["bindings"]:
        if binding["kind"] == "user":
            swit_id = _swit_ids(binding["object_id"])
            yield Trace(keys=swit_id | texts(binding["directory_id"]))


def _delete_users(connection: Connection, table: Table, person: Trace) -> int:
    """Delete the rows of kind `user` that a key of the person names; how many."""
    ids = [column for column in table.columns if column.name.endswith("_id")]
    deleted = 0
    for row in connection.execute(select(*ids).where(table.c.kind == "user").distinct()).all():
        if Trace(keys=texts(*row)).compared_keys & person.compared_keys:
            mine = [column == value for column, value in zip(ids, row, strict=True)]
            gone = delete(table).where(table.c.kind == "user", *mine)
            deleted += connection.execute(gone).rowcount
    return deleted


def _delete_plans(connection: Connection, names: Names) -> int:
    stored = connection.execute(select(CONTENTS.c.content_hash, CONTENTS.c.content)).all()
    naming = [row.content_hash for row in stored if names(zlib.decompress(row.content).decode())]
    for content_hash in naming:
        connection.execute(delete(MADE).where(MADE.c.content_hash == content_hash))
        connection.execute(delete(CONTENTS).where(CONTENTS.c.content_hash == content_hash))
    return len(naming)


def _replace_in(connection: Connection, table: Table, replace: Replace) -> int:
    texts_of_row = [c for c in table.columns if isinstance(c.type, String)]
    changed = 0
    for row in connection.execute(select(table)).mappings().all():
        before = {column.key: row[column] for column in texts_of_row}
        after = replace(before)
        if after != before:
            mine = [column == row[column] for column in table.primary_key.columns]
            connection.execute(update(table).where(*mine).values(**after))
            changed += 1
    return changed
