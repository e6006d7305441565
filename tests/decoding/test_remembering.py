"""Documents are translated sentence by sentence as if each had been given what stands before it by hand."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from mt import SamplingConfig
from mt.decoding.batches import RowWorkers
from mt.decoding.beam_search import SearchConfig, beam_search
from mt.decoding.constraints import Constraints
from mt.decoding.remembering import After, nothing, stacked
from mt.decoding.scoring import score_pairs
from mt.decoding.translator import Translator
from mt.decoding.turns import in_turns, turns
from mt.errors import UserError
from mt.models.document_transformer import DocumentTransformerConfig
from tests.conftest import make_batch, random_params, shipped_pairs

TEXTS = ["I have a cat.", "It is here.", "", "He is my friend.", "It is here.", "Go."]
DOCUMENTS = [0, 0, 0, 1, 1, 0]


@pytest.fixture(scope="module")
def translator(tokenizers):
    config = DocumentTransformerConfig(
        num_layers=1, model_dim=16, ff_dim=32, num_heads=2, dropout=0.0, memory_length=24
    )
    model = config.build(len(tokenizers.target))
    search = SearchConfig(beam_size=3, length_penalty=0.7, max_length_factor=1.0, max_length_offset=2)
    return Translator(model, random_params(model, spread=0.6), tokenizers, search, 32)


def test_a_turn_has_one_sentence_of_each_document():
    assert turns([0, 0, 1, 0, 1, 2]) == [[0, 2, 5], [1, 4], [3]]
    assert turns([]) == []


def test_each_sentence_is_searched_after_those_before_it(translator):
    model, params, search = translator._model, translator.params, translator.search
    source, target = translator.tokenizers.source, translator.tokenizers.target
    expected = []
    for document in (0, 1):
        carry = stacked([nothing(model)], 1)
        for text in (text for text, number in zip(TEXTS, DOCUMENTS) if number == document and text):
            ids = np.array(source.encode([text]), np.int32)
            longest = ids.shape[1] - 1 + 2
            found = beam_search(After(model, carry), params, jnp.array(ids), jnp.array([longest]), search, longest)
            tokens = np.asarray(found.tokens)[0, 0, : int(found.lengths[0, 0])].tolist()
            expected.append((document, text, target.decode([tokens])[0]))
            answer = target.encode(expected[-1][2:])[0]
            batch = {"source_tokens": ids, "target_inputs": np.array([[translator.tokenizers.start, *answer[:-1]]])}
            for side, values in (("source", ids), ("target", batch["target_inputs"])):
                batch[f"{side}_segments"] = np.ones_like(values)
                batch[f"{side}_positions"] = np.arange(values.shape[1])[None]
            _, carry = model.apply({"params": params}, batch, carry, method="read")
    found = translator.translate(TEXTS, documents=DOCUMENTS)
    assert found[2] == ""
    mine = [(number, text, one) for number, text, one in zip(DOCUMENTS, TEXTS, found) if text]
    assert sorted(mine) == sorted(expected)
    # What is remembered matters: the same sentence is another after others.
    assert len({found[1], found[4]}) == 2


def test_scores_are_those_of_the_document_read_at_once(translator):
    model, params, tokenizers = translator._model, translator.params, translator.tokenizers
    sources, targets = TEXTS[:2], ["J'ai un chat.", "Il est ici."]
    ids = [tokenizers.source.encode(sources), tokenizers.target.encode(targets)]
    row = make_batch([[(source[:-1], target[:-1]) for source, target in zip(*ids)]], 48, 48)
    row |= {f"{side}_documents": (row[f"{side}_segments"] > 0).astype(jnp.int32) for side in ("source", "target")}
    row["target_inputs"] = jnp.where(row["target_inputs"] == 1, tokenizers.start, row["target_inputs"])
    hidden, _ = model.apply({"params": params}, row, model.initial_carry(1), method="read")
    log_probs = jax.nn.log_softmax(model.apply({"params": params}, hidden, method="logits"))[0]
    expected = np.asarray(log_probs)[np.arange(48), np.asarray(row["target_tokens"][0])]
    found = translator.score(sources, targets, [5, 5])
    np.testing.assert_allclose(
        sum((each.log_probs for each in found), []), expected[: len(ids[1][0] + ids[1][1])], atol=1e-4
    )
    alone = translator.score(sources, targets)
    assert alone[0].log_prob == pytest.approx(found[0].log_prob, abs=1e-4)
    assert abs(alone[1].log_prob - found[1].log_prob) > 1e-3


def test_documents_are_scored_in_rows_as_sentence_by_sentence(translator):
    model, tokenizers = translator._model, translator.tokenizers
    pairs = shipped_pairs("dev", 60)
    sources, targets = map(list, zip(*pairs))
    targets[20] = "mot " * 300  # too long for any row with others
    documents = [1 if number % 3 else 0 for number in range(60)]
    assert sum(len(ids) for ids in tokenizers.source.encode(sources)) > 512  # several rows a document
    ids = list(zip(tokenizers.source.encode(sources), tokenizers.target.encode(targets)))
    workers, lengths = RowWorkers(translator.params), (16, 32, 64, 128, 256, 512, 1024)
    expected = {}

    def work(turn, carries):
        own = [ids[number] for number in turn]
        expected.update(zip(turn, score_pairs(workers, model, tokenizers.start, own, lengths, carries)))
        return own

    in_turns(workers, model, tokenizers.start, documents, work)
    found = translator.score(sources, targets, documents)
    for number, score in enumerate(found):
        np.testing.assert_allclose(score.log_probs, expected[number], rtol=1e-4, err_msg=f"pair {number}")
    targets[20] = "mot " * 1100  # as what is remembered, it counts all the same
    found = translator.score(sources, targets, documents)
    assert [number for number, score in enumerate(found) if score is None] == [20]


def test_neighbours_make_no_difference(translator):
    together = translator.translate(TEXTS, documents=DOCUMENTS)
    for document in (0, 1):
        own = [number for number, of in enumerate(DOCUMENTS) if of == document]
        alone = translator.translate([TEXTS[number] for number in own], documents=[0] * len(own))
        assert alone == [together[number] for number in own]
    # A document of one sentence is a sentence.
    assert translator.translate(TEXTS[:1], documents=[7]) == translator.translate(TEXTS[:1])


def test_options_go_with_documents(translator):
    constraints = [Constraints(), Constraints(forbidden=("est",)), *[Constraints()] * 4]
    best = translator.n_best(TEXTS, 2, constraints, documents=DOCUMENTS)
    assert [len(each) for each in best] == [2, 2, 1, 2, 2, 2]
    sampled = [translator.n_best(TEXTS, 2, None, SamplingConfig(seed=3), DOCUMENTS) for _ in range(2)]
    assert sampled[0] == sampled[1]
    with pytest.raises(UserError, match="documents: 1 for 6 texts"):
        translator.translate(TEXTS, documents=[0])


def test_what_remembers_nothing_refuses_documents(tiny_translator):
    for ask in (tiny_translator.translate, lambda texts, documents: tiny_translator.score(texts, texts, documents)):
        with pytest.raises(UserError, match="reads each sentence by itself"):
            ask(["Go."], documents=[0])
    assert jax.tree.leaves(tiny_translator.params)
