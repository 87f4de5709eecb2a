"""One person taken out of the state: plans and identities are deleted, texts get a code."""

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
from swit_provisioning.state.database import METADATA, Database
from swit_provisioning.state.errors import TokensUnreadableError
from swit_provisioning.state.identities import EXEMPTIONS, IDENTITIES
from swit_provisioning.state.journal import JOURNAL
from swit_provisioning.state.plans import CONTENTS, MADE, content_of
from swit_provisioning.state.tokens import TOKENS, Cipher


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
    action, sides = str(record["action"]), (record["before"], record["after"])
    if action.startswith("membership."):
        for side in sides:
            for user, email in zip(side.get("user_ids", ()), side.get("emails", ()), strict=True):
                yield Trace(keys=_swit_ids(user) | texts(email))
    elif action.startswith("user.") or action == "primary.update":
        of_user = sides if action.startswith("user.") else ()
        addresses = texts(record["target"], *(side.get("email") for side in of_user))
        words = (side.get(name) for side in of_user for name in ("name", "phone_number"))
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
    """Finds people in rows, and takes one out of them."""

    def __init__(self, database: Database, cipher: Cipher) -> None:
        """Take the open database, and the cipher that secrets are stored with."""
        self._database = database
        self._cipher = cipher

    def secret(self) -> str:
        """The key that codes are made with: with it a guess can be tested, a code never decoded.

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

        Exemptions of teams stay: the settings, which name them, say them again.

        Returns how many rows of each table were deleted or changed. On an error nothing is.
        """
        with self._database.write() as connection:
            changed = {
                "identity": _delete_identities(connection, person),
                "exemption": _delete_exemptions(connection, person),
                "plan_content": _delete_plans(connection, names),
            }
            for table in METADATA.sorted_tables:
                if table not in {CONTENTS, IDENTITIES, EXEMPTIONS, TOKENS, _SECRETS}:
                    changed[table.name] = _replace_in(connection, table, replace)
        self._database.tidy()
        return {name: number for name, number in changed.items() if number}


def _traces_of_plan(document: Mapping[str, Any]) -> Iterator[Trace]:
    for name in ("changes", "disabled", "held"):
        for change in document.get(name, ()):
            yield from traces_of_change(change)
    for binding in document["bindings"]:
        if binding["kind"] == "user":
            swit_id = _swit_ids(binding["object_id"])
            yield Trace(keys=swit_id | texts(binding["directory_id"]))


def _delete_identities(connection: Connection, person: Trace) -> int:
    deleted = 0
    c = IDENTITIES.c
    for row in connection.execute(select(IDENTITIES).where(c.kind == "user")).all():
        if Trace(keys=texts(row.directory_id, row.swit_id)).compared_keys & person.compared_keys:
            mine = delete(IDENTITIES).where(c.kind == "user", c.directory_id == row.directory_id)
            deleted += connection.execute(mine).rowcount
    return deleted


def _delete_exemptions(connection: Connection, person: Trace) -> int:
    c = EXEMPTIONS.c
    rows = connection.execute(select(c.object_id).where(c.kind == "user").distinct()).scalars()
    mine = [name for name in rows if name.strip().casefold() in person.compared_keys]
    gone = delete(EXEMPTIONS).where(c.kind == "user", c.object_id.in_(mine))
    return connection.execute(gone).rowcount


def _delete_plans(connection: Connection, names: Names) -> int:
    stored = connection.execute(select(CONTENTS.c.content_hash, CONTENTS.c.content)).all()
    naming = [row.content_hash for row in stored if names(zlib.decompress(row.content).decode())]
    for content_hash in naming:
        connection.execute(delete(MADE).where(MADE.c.content_hash == content_hash))
        connection.execute(delete(CONTENTS).where(CONTENTS.c.content_hash == content_hash))
    return len(naming)


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
