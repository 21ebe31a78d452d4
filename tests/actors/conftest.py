"""A tree that is stopped at the end of its test."""

from collections.abc import Iterator

import pytest

from tests.supervision.probe import Tree


@pytest.fixture
def tree() -> Iterator[Tree]:
    tree = Tree()
    yield tree
    tree.stop()
