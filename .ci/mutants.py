"""mutmut, but for sentences: its command, run as `make mutants`.

It breaks `planning/` in thousands of small ways, and each time runs the tests until one notices;
`pyproject.toml` says which. Sentences are left as they are: other words are no fault, and that
there are some is tested of every plan.
"""

import sys
from collections.abc import Iterable

import libcst as cst
from mutmut.__main__ import cli
from mutmut.mutation.mutators import mutation_operators, operator_string


def change_string(node: cst.BaseString) -> Iterable[cst.BaseString]:
    """As mutmut does, unless it is a sentence."""
    is_sentence = isinstance(node, cst.SimpleString) and " " in node.raw_value.strip()
    return () if is_sentence else operator_string(node)


place = mutation_operators.index((cst.BaseString, operator_string))
mutation_operators[place] = (cst.BaseString, change_string)
sys.exit(cli())
