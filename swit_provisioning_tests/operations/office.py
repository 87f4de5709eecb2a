"""Everything that alarms rest on, without a run of ours: a state, settings, Dagster, a chat."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import datetime

import dagster as dg
from pydantic import SecretStr

from swit_provisioning.operations.alarms import Alarms, Watch
from swit_provisioning.operations.services import open_store
from swit_provisioning.settings import Settings
from swit_provisioning.state.store import Store
from swit_provisioning_tests.receiver import Receiver


@dataclass(frozen=True, kw_only=True)
class Office:
    """All of it."""

    store: Store
    settings: Settings
    dagster: dg.DagsterInstance
    chat: Receiver

    def alarms(self, watch: Watch, now: datetime) -> Alarms:
        """The alarms at this time."""
        return Alarms(
            watch=watch, store=self.store, settings=self.settings, dagster=self.dagster, now=now
        )

    def told(self, watch: Watch) -> list[str]:
        """What the chat gets now, without the words that all messages begin with."""
        before = len(self.chat.texts)
        assert watch.deliver(self.settings) == []
        return [text.removeprefix("Swit provisioning: ") for text in self.chat.texts[before:]]

    def ran(self, job: str, *, well: bool = True, **tags: str) -> str:
        """A run of a job of this name ends now; its id."""

        @dg.op
        def work() -> None:
            if not well:
                raise dg.Failure

        @dg.job(name=job)
        def made() -> None:
            work()

        named = {f"dagster/{key}": value for key, value in tags.items()}
        return made.execute_in_process(
            instance=self.dagster, raise_on_error=False, tags=named
        ).run_id


@contextmanager
def office() -> Iterator[Office]:
    """The settings are those of the environment, and the address of the chat."""
    with ExitStack() as opened:
        chat = opened.enter_context(Receiver())
        address = {"swit_webhook_url": SecretStr(chat.url)}
        settings = Settings.load().model_copy(update=address)
        store = opened.enter_context(open_store(settings))
        dagster = opened.enter_context(dg.DagsterInstance.ephemeral())
        yield Office(store=store, settings=settings, dagster=dagster, chat=chat)
