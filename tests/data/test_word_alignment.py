"""Links come from what occurs together."""

import numpy as np
import pytest

from mt.config import RunConfig
from mt.data.batching import BatchingConfig
from mt.data.data_config import DataConfig
from mt.data.pipeline import Position, TrainingData
from mt.data.word_alignment import WordAlignment
from mt.errors import UserError
from mt.training.loop import TrainingConfig
from tests.conftest import tiny_config


@pytest.fixture(scope="module")
def made_up():
    """A language in which word w is 50 + w; each sentence's is shuffled a little, has a word of nothing, and an end."""
    random = np.random.default_rng(0)
    sources, targets, links = [], [], []
    for _ in range(400):
        words = random.permutation(np.arange(3, 33))[: random.integers(2, 9)]
        order = np.argsort(np.arange(len(words)) + random.uniform(0, 2.5, len(words)))
        sources.append(np.array([*words, 2]))
        targets.append(np.array([99, *(50 + words[order]), 2]))
        links.append([-1, *order, len(words)])
    return sources, targets, links


def test_a_languages_words_are_found(made_up):
    sources, targets, links = made_up
    alignment = WordAlignment(sources, targets)
    found = [alignment.links(*pair).tolist() for pair in zip(sources, targets)]
    right = sum(sum(a == b for a, b in zip(one, other)) for one, other in zip(found, links))
    assert right > 0.99 * sum(map(len, links))
    assert alignment.links(np.array([3]), np.array([], int)).tolist() == []
    assert alignment.links(np.array([500]), np.array([600, 601])).tolist().count(-1) >= 1  # never seen


def test_a_packed_batchs_links_stay_in_their_segment(corpus_folder, tokenizers):
    config = DataConfig(train=(str(corpus_folder),), batching=BatchingConfig("packing", 512, 32, row_multiple=4))
    plain, aligned = (TrainingData(config, tokenizers, seed=1, aligned=each) for each in (False, True))
    batch = aligned.load(Position(0, 0, 1))
    links = batch.pop("target_links")
    for name, values in plain.load(Position(0, 0, 1)).items():
        np.testing.assert_array_equal(batch[name], values)
    linked = links >= 0
    assert linked.sum() > 0.3 * (batch["target_segments"] > 0).sum() and not linked[batch["target_segments"] == 0].any()
    rows, places = np.nonzero(linked)
    assert (batch["source_segments"][rows, links[rows, places]] == batch["target_segments"][rows, places]).all()
    # Ends come from ends, and the pipeline hands them on.
    ends = (batch["target_tokens"] == 2) & linked
    assert (batch["source_tokens"][np.nonzero(ends)[0], links[ends]] == 2).mean() > 0.9
    _, first = next(aligned.batches(Position(0, 0, 1)))
    np.testing.assert_array_equal(first["target_links"], links)


def test_what_does_not_go_together_is_refused():
    with pytest.raises(UserError, match="model.remat"):
        RunConfig(model=tiny_config(remat=True), training=TrainingConfig(guided_alignment=0.1))
