"""A mocked network and a client; no test here leaves the machine."""

from collections.abc import Iterator

import pytest
import responses

from swit_provisioning.swit.client import SwitClient
from swit_provisioning_tests.swit.fakes import Rig


@pytest.fixture
def web() -> Iterator[responses.RequestsMock]:
    with responses.RequestsMock(assert_all_requests_are_fired=False) as mock:
        yield mock


@pytest.fixture
def rig() -> Rig:
    return Rig()


@pytest.fixture
def client(rig: Rig) -> Iterator[SwitClient]:
    with rig.client() as made:
        yield made
