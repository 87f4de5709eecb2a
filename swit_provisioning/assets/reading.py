"""What each side says today, each read whole in one step. Nothing here changes anything."""

from collections.abc import Iterator

import dagster as dg
import pandas as pd

from swit_provisioning.assets.common import (
    DIRECTORY_GROUP,
    READ_AT,
    SWIT_GROUP,
    as_failure,
    cause,
    frame_out,
    told,
)
from swit_provisioning.directory.errors import DirectoryError
from swit_provisioning.directory.interface import Directory
from swit_provisioning.settings import Settings
from swit_provisioning.store.store import Store
from swit_provisioning.swit.client import SwitClient
from swit_provisioning.swit.errors import SwitError
from swit_provisioning.swit.reading import read_organization


@dg.multi_asset(
    outs={
        name: frame_out(name, group=DIRECTORY_GROUP, kinds={"ldap", "parquet"})
        for name in ("idp_users", "idp_groups", "idp_memberships", "idp_findings")
    }
)
def read_directory(
    context: dg.AssetExecutionContext,
    directory: dg.ResourceParam[Directory],
    settings: dg.ResourceParam[Settings],
    store: dg.ResourceParam[Store],
) -> Iterator[dg.Output[pd.DataFrame]]:
    """Read users, groups, memberships in one go, from one server: all of it or nothing."""
    read_at = store.now().isoformat()
    try:
        state = directory.read()
    except DirectoryError as error:
        failure = as_failure(error, doing="The directory was not read", settings=settings)
        raise failure from cause(error, settings)
    for warning in state.facts.warnings:
        context.log.warning(told(settings, warning))
    if len(state.findings):
        context.log.warning("%d values could not be read: see idp_findings", len(state.findings))
    facts = {**state.facts.document(), READ_AT: read_at}
    for name, frame in (
        ("idp_users", state.users),
        ("idp_groups", state.groups),
        ("idp_memberships", state.memberships),
        ("idp_findings", state.findings),
    ):
        frame.attrs["facts"] = facts
        yield dg.Output(frame, name, metadata={"source": state.facts.title})


@dg.multi_asset(
    outs={
        name: frame_out(name, group=SWIT_GROUP, kinds={"swit", "parquet"})
        for name in ("swit_users", "swit_teams", "swit_memberships")
    }
)
def read_swit(
    context: dg.AssetExecutionContext,
    swit: dg.ResourceParam[SwitClient],
    settings: dg.ResourceParam[Settings],
    store: dg.ResourceParam[Store],
) -> Iterator[dg.Output[pd.DataFrame]]:
    """Read accounts, teams and memberships in one go: all of it or nothing."""
    read_at = store.now().isoformat()
    try:
        state = read_organization(swit, expected=settings.expected_organization)
    except SwitError as error:
        failure = as_failure(error, doing="Swit was not read", settings=settings)
        raise failure from cause(error, settings)
    for warning in state.facts.warnings:
        context.log.warning(told(settings, warning))
    facts = {**state.facts.document(), READ_AT: read_at}
    for name, frame in (
        ("swit_users", state.users),
        ("swit_teams", state.teams),
        ("swit_memberships", state.memberships),
    ):
        frame.attrs["facts"] = facts
        yield dg.Output(frame, name, metadata={"organization": state.facts.organization_name})
