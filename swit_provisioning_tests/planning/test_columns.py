"""Frames taken apart into columns: what all who look things up in them rest on."""

import numpy as np
import pandas as pd
import pyarrow as pa

from swit_provisioning.planning.snapshots import column, distinct


def test_numbers_come_sorted_each_once() -> None:
    assert distinct(np.array([3, 1, 2, 3, 2, 2, 1])).tolist() == [1, 2, 3]
    assert distinct(np.array([], dtype=np.int64)).tolist() == []


def test_lists_come_whole_where_some_are_missing_and_the_frame_is_of_several_pieces() -> None:
    lists = pd.ArrowDtype(pa.list_(pa.large_string()))
    pieces = [pd.Series(part, dtype=lists) for part in ([["a", "b"], None], [[], ["c"]])]
    frame = pd.DataFrame({"names": pd.concat(pieces, ignore_index=True)})
    assert column(frame, "names") == [["a", "b"], None, [], ["c"]]
    assert column(frame[1:], "names") == [None, [], ["c"]]
