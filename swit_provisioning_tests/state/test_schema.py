"""How older tables become today's, on both kinds of database, with what is in them."""

import json
import subprocess
import sys
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.resources import files
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, MetaData, create_engine, inspect, text

from swit_provisioning.planning.model import PlanHash
from swit_provisioning.state.database import (
    METADATA,
    NEWEST,
    Database,
    NewerSchemaError,
    migrate,
    open_database,
    schema_version,
    utc_now,
)
from swit_provisioning.state.store import Store
from swit_provisioning.state.stored_plans import packed
from swit_provisioning_tests.state.made import two_plans_with_one_name
from swit_provisioning_tests.state.old_states import OldState, unpacked

_STEPS = sorted(
    path.name[1:5]
    for path in (Path(str(files("swit_provisioning.state"))) / "migrations" / "versions").iterdir()
    if path.name.startswith("r")
)


@contextmanager
def _opened(url: str) -> Iterator[Database]:
    database = open_database(url, utc_now)
    try:
        yield database
    finally:
        database.close()


def _differences(connection: Connection) -> list[object]:
    compared = MigrationContext.configure(connection, opts={"compare_type": True})
    return list(compare_metadata(compared, METADATA))


def test_the_newest_form_is_the_last_step() -> None:
    config = Config()
    folder = Path(str(files("swit_provisioning.state"))) / "migrations"
    config.set_main_option("script_location", str(folder))
    assert ScriptDirectory.from_config(config).get_current_head() == NEWEST == _STEPS[-1]


def test_a_new_database_gets_the_tables_that_the_program_knows(store: Store) -> None:
    with store._database.read() as connection:
        assert schema_version(connection) == NEWEST
        assert _differences(connection) == []


@pytest.mark.parametrize("older", _STEPS)
def test_tables_of_every_form_become_todays_and_keep_what_is_in_them(url: str, older: str) -> None:
    bind = text("INSERT INTO organization VALUES (1, 'ORG', '2026-03-01 02:30:00')")
    with _opened(url) as database, database.write() as connection:
        migrate(connection, to=older)
        connection.execute(bind)
        assert schema_version(connection) == older
    with Store.open(url) as store:
        assert store.organization.bound_to() == "ORG"
        with store._database.read() as connection:
            assert schema_version(connection) == NEWEST
            assert _differences(connection) == []


def test_approvals_of_the_first_tables_are_named(url: str) -> None:
    """Who let a plan past its limits is part of the audit trail."""
    old = """
        INSERT INTO approval VALUES (1, 'P1', 'ann', 'first try', '2026-03-01', '[]', NULL);
        INSERT INTO approval VALUES (2, 'P1', 'bob', 'a site closed', '2026-03-02', '[]', NULL);
        INSERT INTO approval VALUES (3, 'P2', 'eve', 'another plan', '2026-03-03', '[]', NULL);
        INSERT INTO acceptance VALUES ('R1', 'P1', 'R1', true, NULL, '2026-03-02', NULL);
        INSERT INTO acceptance VALUES ('R2', 'P2', 'R2', false, NULL, '2026-03-03', NULL)
    """
    with _opened(url) as database, database.write() as connection:
        migrate(connection, to="0001")
        for statement in old.split(";"):
            connection.execute(text(statement))
    with Store.open(url) as store:
        approved, other = store.acceptances.of("R1"), store.acceptances.of("R2")
    assert approved is not None
    assert other is not None
    assert (approved.approval_id, other.approval_id) == (2, None)


def test_plans_of_older_tables_are_counted(url: str) -> None:
    """The list of plans says how much each changes, without reading it."""
    actions = ["user.create", "user.create", "team.delete"]
    packed = zlib.compress(json.dumps({"changes": [{"action": a} for a in actions]}).encode())
    nothing = zlib.compress(b'{"changes": []}')
    with _opened(url) as database, database.write() as connection:
        migrate(connection, to="0002")
        content = text("INSERT INTO plan_content VALUES (:hash, :content)")
        made = text("INSERT INTO plan_made VALUES (:id, :hash, :hash, 'R', '2026-03-01', '[]')")
        for number, (name, plan) in enumerate({"P1": packed, "P2": nothing}.items()):
            connection.execute(content, {"hash": name, "content": plan})
            connection.execute(made, {"id": number, "hash": name})
    with Store.open(url) as store:
        counts = {plan.plan_id: plan.counts for plan in store.plans.listed(limit=9)}
    assert counts == {"P1": {"user.create": 2, "team.delete": 1}, "P2": {}}


@pytest.fixture
def old(url: str, kind: str, tmp_path: Path) -> OldState:
    """The state that version 7890455 left, on each kind of database."""
    if kind == "sqlite":
        return unpacked("0005", Path(url.removeprefix("sqlite:///")))
    old = unpacked("0005", tmp_path / "old.sqlite")
    kept = create_engine(f"sqlite:///{tmp_path / 'old.sqlite'}")
    with (
        _opened(url) as database,
        database.write() as connection,
        kept.connect() as rows,
    ):
        migrate(connection, to="0005")
        tables = MetaData()
        tables.reflect(connection)
        for table in tables.sorted_tables:
            found = [dict(row) for row in rows.execute(table.select()).mappings()]
            if found and table.name != "alembic_version":
                connection.execute(table.insert(), found)
    kept.dispose()
    return old


def test_plans_of_older_tables_and_all_that_was_decided_on_them_get_their_whole_hash(
    url: str, old: OldState
) -> None:
    with Store.open(url) as store:
        hashes = {label: store.plans.find(plan.plan_id) for label, plan in old.plans.items()}
        for plan_hash in hashes.values():
            assert plan_hash is not None
            stored = store.plans.get(plan_hash)
            assert stored is not None
            assert stored.plan.plan_hash == plan_hash
        known = {label: plan_hash for label, plan_hash in hashes.items() if plan_hash}
        approvals = {label for label, plan in known.items() if store.approvals.of(plan)}
        rejections = {label for label, plan in known.items() if store.rejections.of(plan)}
        begun = {label for label, plan in known.items() if store.acceptances.unfinished(plan)}
        through = {label for label, plan in known.items() if store.acceptances.newest_of(plan)}
        assert (approvals, rejections, begun) == ({"approved"}, {"rejected"}, {"half applied"})
        assert through - begun == {"applied", "approved and applied"}
        assert {entry.plan_hash for entry in store.journal.rows()} == {known[p] for p in through}


def test_the_last_accepted_read_of_older_tables_begins_the_history(url: str, old: OldState) -> None:
    del old
    with Store.open(url) as store:
        assert store.reads.last_accepted() == {"directory.json": {"users": 17, "groups": 12}}
        assert [read.counts for read in store.reads.of_last_days()] == [{}]


def test_what_was_decided_on_plans_that_are_gone_forbids_but_never_allows(url: str) -> None:
    """Of 12 digits nobody can tell the hash: a rejection counts for all, an approval for none."""
    decided = """
        INSERT INTO rejection VALUES (1, '0123456789ab', 'ann', '', '2026-03-01', NULL, NULL);
        INSERT INTO approval VALUES (1, '0123456789ab', 'ann', '', '2026-03-01', '[]', NULL)
    """
    with _opened(url) as database, database.write() as connection:
        migrate(connection, to="0005")
        for statement in decided.split(";"):
            connection.execute(text(statement))
    plan_hash = PlanHash("0123456789ab" + 52 * "f")
    with Store.open(url) as store:
        assert store.approvals.of(plan_hash) is None
        assert store.rejections.of(plan_hash) is not None
        store.rejections.lift(plan_hash, actor="bob")
        assert store.rejections.of(plan_hash) is None


def test_an_approval_that_may_be_of_either_of_two_older_plans_is_for_neither(url: str) -> None:
    plans = two_plans_with_one_name()
    with _opened(url) as database, database.write() as connection:
        migrate(connection, to="0005")
        row: dict[str, object] = {"id": plans[0].plan_id}
        for number, plan in enumerate(plans):
            content_hash, content = packed(plan.document())
            row |= {"hash": content_hash, "content": content}
            connection.execute(text("INSERT INTO plan_content VALUES (:hash, :content)"), row)
            made = "INSERT INTO plan_made VALUES (:n, :id, :hash, 'R', '2026-03-01', '[]', '{}')"
            connection.execute(text(made), row | {"n": number})
        approval = "INSERT INTO approval VALUES (1, :id, 'ann', '', '2026-03-01', '[]', NULL)"
        connection.execute(text(approval), row)
    with Store.open(url) as store:
        for plan in plans:
            assert store.plans.find(plan.plan_hash) == plan.plan_hash
            assert store.approvals.of(plan.plan_hash) is None


def test_tables_from_before_there_were_steps_are_taken_over(file_url: str) -> None:
    with _opened(file_url) as database, database.write() as connection:
        migrate(connection, to="0001")
        connection.execute(text("DROP TABLE alembic_version"))
        connection.execute(text("CREATE TABLE schema_version (version INTEGER PRIMARY KEY)"))
        connection.execute(text("INSERT INTO schema_version VALUES (1)"))
    with Store.open(file_url) as store:
        store.organization.bind("ORG")
    with Store.open(file_url) as store, store._database.read() as connection:
        assert store.organization.bound_to() == "ORG"
        assert schema_version(connection) == NEWEST
        assert not inspect(connection).has_table("schema_version")


def test_a_newer_form_is_refused_and_left_as_it_is(url: str) -> None:
    Store.open(url).close()
    with _opened(url) as database, database.write() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '9001'"))
    with pytest.raises(
        NewerSchemaError, match=rf"has schema 9001.*knows {NEWEST} at most.*Install the newer"
    ):
        Store.open(url)
    with _opened(url) as database, database.read() as connection:
        assert (
            connection.execute(text("SELECT version_num FROM alembic_version")).scalar() == "9001"
        )


def test_a_step_that_breaks_off_leaves_the_tables_as_they_were(url: str) -> None:
    """Half a change of the tables would be worse than none."""
    with _opened(url) as database:
        with pytest.raises(KeyError):
            _break_off(database)
        with database.read() as connection:
            assert inspect(connection).get_table_names() == []


def _break_off(database: Database) -> None:
    with database.write() as connection:
        migrate(connection)
        message = "the machine went down"
        raise KeyError(message)


def test_a_store_that_is_up_to_date_is_opened_without_alembic(file_url: str) -> None:
    """It would make each command slower to start."""
    Store.open(file_url).close()
    script = (
        "import sys; from swit_provisioning.state.store import Store;"
        f"Store.open({file_url!r}).close(); print('alembic' in sys.modules)"
    )
    done = subprocess.run(  # noqa: S603 - this Python
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    assert done.stdout == "False\n"
