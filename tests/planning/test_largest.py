import pytest

from mt.planning.largest import largest_that_fits


@pytest.mark.parametrize("begin", [1, 8, 300, 5000])
@pytest.mark.parametrize("multiple", [1, 4])
@pytest.mark.parametrize("most", [0, 7, 100, 1000])
def test_it_is_found_to_within_a_sixteenth_and_in_few_trials(begin, multiple, most):
    fixed, tried = 0.1, []

    def fits(rows):
        assert rows % multiple == 0
        tried.append(rows)
        # Not quite linear, as compilers are.
        return fixed + (1 - fixed) * (rows / most) ** 1.1 if rows <= most else None

    begin *= multiple
    found = largest_that_fits(fits, begin, fits(begin), fixed, multiple)
    assert found <= most and found % multiple == 0
    assert most - found <= max(multiple, most / 16 + 1)
    assert len(tried) <= 16
