"""Equal texts have equal numbers wherever they lie, and other texts others."""

import numpy as np
import pyarrow as pa
from hypothesis import example, given
from hypothesis import strategies as st

from swit_provisioning.sources.ldap.fingerprints import fingerprints, some_twice


@given(texts=st.lists(st.text(max_size=30)), before=st.text(max_size=9))
@example(texts=["", "a", "12345678", "12345678\0", "123456789", "x" * 16, "x" * 17], before="")
def test_two_numbers_are_equal_where_the_texts_are(texts: list[str], before: str) -> None:
    numbers = fingerprints(pa.array([before, *texts], pa.large_string()).slice(1)).tolist()
    alone = [int(fingerprints(pa.array([text], pa.large_string()))[0]) for text in texts]
    assert numbers == alone
    assert len(set(numbers)) == len(set(texts))


def test_names_that_differ_in_few_places_have_numbers_of_their_own() -> None:
    names = [f"uid=user{number:06d},ou=people,dc=x" for number in range(200_000)]
    numbers = fingerprints(pa.array(names, pa.large_string()))
    assert not some_twice(numbers)
    assert some_twice(np.append(numbers, numbers[77]))


def test_no_texts_have_no_numbers() -> None:
    assert not len(fingerprints(pa.array([], pa.large_string())))
    assert not len(fingerprints(pa.nulls(0, pa.large_string())))
