"""The journal as an asset: what was done, try by try, with what answer."""

import dagster as dg
import pandas as pd

from swit_provisioning.assets.applied import WRITERS
from swit_provisioning.assets.common import APPLY_GROUP, OWNERS
from swit_provisioning.assets.recording import change_log_of, counts_of
from swit_provisioning.reconcile.frames import CHANGE_LOG
from swit_provisioning.resources.frames import table_schema
from swit_provisioning.store.store import Store


@dg.asset(
    deps=[*WRITERS],
    group_name=APPLY_GROUP,
    description=CHANGE_LOG.description,
    kinds={"swit"},
    owners=OWNERS,
    tags={"personal_data": "true"},
    metadata={"dagster/column_schema": table_schema(CHANGE_LOG)},
)
def change_log(
    context: dg.AssetExecutionContext, store: dg.ResourceParam[Store]
) -> dg.MaterializeResult[pd.DataFrame]:
    """Read the journal of the plan that this run has sent."""
    log = change_log_of(store, context.run)
    return dg.MaterializeResult(value=log, metadata=counts_of(log))
