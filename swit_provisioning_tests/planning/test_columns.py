"""Columns of frames as Python values."""

import pandas as pd
import pyarrow as pa

from swit_provisioning.planning.snapshots import column


def test_lists_come_whole_where_some_are_missing_and_the_frame_is_of_several_pieces() -> None:
    lists = pd.ArrowDtype(pa.list_(pa.large_string()))
    pieces = [pd.Series(part, dtype=lists) for part in ([["a", "b"], None], [[], ["c"]])]
    frame = pd.DataFrame({"names": pd.concat(pieces, ignore_index=True)})
    assert column(frame, "names") == [["a", "b"], None, [], ["c"]]
    assert column(frame[1:], "names") == [None, [], ["c"]]
