"""Text that is read from its end to its beginning, in every other row (Yang et al. 2019, "XLNet", appendix A.5)."""

import numpy as np

BACKWARDS = "backwards"


def with_backwards(forth: dict[str, np.ndarray], back: dict[str, np.ndarray], first: int) -> dict[str, np.ndarray]:
    """A batch, every other row of which goes backwards.

    Args:
        forth: a batch as it is, see `batching.assemble`.
        back: the batch that is as far from the end as `forth` is from the beginning, so that of it, too, each row goes
            on where the one before has ended.
        first: the number of the first row in the whole batch.

    Returns:
        As `forth`, in rows of odd number the tokens of `back` from the last to the first; and "backwards", int32
        [rows], 1 for those.
    """
    rows = len(forth["target_tokens"])
    odd = (first + np.arange(rows)) % 2 == 1
    found = {}
    for side in ("source", "target"):
        there = back[f"{side}_segments"] > 0
        # Padding stays at the end.
        order = np.argsort(np.where(there, -np.arange(there.shape[1]), 1), axis=1, kind="stable")
        for name in (name for name in forth if name.startswith(f"{side}_")):
            turned = np.take_along_axis(back[name], order, axis=1)
            found[name] = np.where(odd[:, None], turned, forth[name])
    return found | {BACKWARDS: odd.astype(np.int32)}
