"""What can go wrong with a training's numbers, and what is done of it."""

import collections

from mt.data.pipeline import Position
from mt.errors import UserError

# Returns to one and the same checkpoint before it is given up.
_MOST_ROLLBACKS = 3


class Unsound(UserError):
    """A training's numbers are such that it is given up."""


class Watch:
    """Counts updates in a row that were skipped because they were not finite, and notices when the loss leaps up."""

    def __init__(self, most_skipped: int, spike_factor: float, sound: int | None = None):
        """Args:
        most_skipped: in a row, before it is given up.
        spike_factor: how many times the average before it an average of the loss must be to count as a spike; 0 is
            never.
        sound: the newest checkpoint that is known to be.
        """
        self._most_skipped, self._spike_factor = most_skipped, spike_factor
        self._in_a_row, self._sound = 0, sound
        self._before: float | None = None
        self._rollbacks: collections.Counter[int] = collections.Counter()

    def step(self, number: int, batch: Position, skipped: bool, saved: int | None) -> str:
        """Counts a step in.

        Args:
            number: of the step.
            batch: whose batch it saw.
            skipped: whether its update was.
            saved: the newest checkpoint, if there is any.

        Returns:
            What is to be said of it, or nothing.

        Raises:
            Unsound: too many were skipped, one after the other.
        """
        self._in_a_row = self._in_a_row + 1 if skipped else 0
        if not skipped:
            self._sound = saved  # it has been gone on from
            return ""
        what = f"step {number}: the loss, its gradient or the update is not finite on {_name(batch)}"
        if self._in_a_row <= self._most_skipped:
            return f"{what}; the update is skipped"
        last = "nothing sound is saved" if self._sound is None else f"the checkpoint of step {self._sound} is sound"
        before = f", nor was it in the {self._in_a_row - 1} before it" if self._in_a_row > 1 else ""
        raise Unsound(
            f"{what}{before}; {last}: train anew with a lower optimizer.learning_rate, with optimizer.clip_norm, or "
            "without the text that is to blame (skipped.tsv has what was skipped)"
        )

    def spiked(self, average: float) -> bool:
        """Whether the loss' average over some steps is far above that before it."""
        before, self._before = self._before, average
        return 0 < self._spike_factor and before is not None and not average <= before * self._spike_factor

    def roll_back(self, number: int, saved: int | None) -> str:
        """Counts a return to a checkpoint in.

        Args:
            number: of the step that is left.
            saved: the newest checkpoint, if there is any.

        Returns:
            What is to be said of it.

        Raises:
            Unsound: there has been too often.
        """
        what = f"step {number}: the loss has leapt up"
        if saved is None:
            return f"{what}; there is no checkpoint to go back to yet"
        self._rollbacks[saved] += 1
        if self._rollbacks[saved] > _MOST_ROLLBACKS:
            raise Unsound(
                f"{what} once more, after {_MOST_ROLLBACKS} returns to the checkpoint of step {saved}: train anew with "
                "a lower optimizer.learning_rate, or with optimizer.clip_norm"
            )
        self._before = None
        return f"{what}; back to the checkpoint of step {saved}, and on with the text that comes next"


def _name(batch: Position) -> str:
    return f"batch {batch.batch} of window {batch.window} of epoch {batch.epoch}"
