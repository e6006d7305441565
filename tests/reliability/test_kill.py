"""The shortest of what `kill.py` does."""

import pytest

from tests.reliability.kill import survives

pytestmark = pytest.mark.thorough


def test_a_training_that_is_killed_ends_as_if_it_never_had_been(tmp_path):
    assert survives(tmp_path / "kill", kills=1, devices=2, steps=30) == 1
