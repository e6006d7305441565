"""BERT is PyTorch's with the same weights."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from mt.errors import UserError
from mt.models.bert import BertConfig
from mt.models.interface import Text
from tests.conftest import VOCAB

SIZES = {"tiny": (2, 16, 32, 2), "odd": (3, 24, 40, 3), "wide": (1, 64, 256, 8)}
LENGTH = 10
TEXTS = [([5, 6, 7, 8, 9], [10, 11, 12]), ([13, 14], [15]), ([16, 17, 18, 19], [20, 21, 22, 23, 24, 25])]


def _text(rows) -> Text:
    """Rows of one text of two kinds."""
    tokens, segments, kinds = np.zeros((3, len(rows), LENGTH), np.int32)
    for row, (first, second) in enumerate(rows):
        length = len(first) + len(second)
        tokens[row, :length], segments[row, :length] = [*first, *second], 1
        kinds[row, len(first) : length] = 1
    return Text(tokens, np.broadcast_to(np.arange(LENGTH, dtype=np.int32), tokens.shape), segments, kinds)


def _bert(size: str = "tiny"):
    layers, model_dim, ff_dim, heads = SIZES[size]
    config = BertConfig(
        num_layers=layers,
        model_dim=model_dim,
        ff_dim=ff_dim,
        num_heads=heads,
        max_positions=16,
        dropout=0.0,
        attention_dropout=0.0,
    )
    model = config.build(VOCAB)
    params = jax.jit(model.init)(jax.random.key(0), _text(TEXTS))["params"]
    leaves, structure = jax.tree.flatten(params)
    keys = jax.random.split(jax.random.key(1), len(leaves))
    moved = [leaf + 0.3 * jax.random.normal(key, leaf.shape) for leaf, key in zip(leaves, keys)]
    return model, jax.tree.unflatten(structure, moved)


def _theirs(model, params):
    """Hugging Face's BERT for pretraining with these weights."""
    torch = pytest.importorskip("torch", reason="PyTorch is not installed")
    transformers = pytest.importorskip("transformers", reason="transformers is not installed")
    config = model.config
    theirs = transformers.BertForPreTraining(
        transformers.BertConfig(
            vocab_size=model.vocab,
            hidden_size=config.model_dim,
            num_hidden_layers=config.num_layers,
            num_attention_heads=config.num_heads,
            intermediate_size=config.ff_dim,
            max_position_embeddings=config.max_positions,
            hidden_dropout_prob=0.0,
            attention_probs_dropout_prob=0.0,
        )
    )
    weights = {
        "bert.embeddings.word_embeddings.weight": params["embedding"]["table"],
        "bert.embeddings.position_embeddings.weight": params["positions"]["table"],
        "bert.embeddings.token_type_embeddings.weight": params["kinds"]["table"],
        "cls.predictions.bias": params["output_bias"],
        "cls.predictions.decoder.weight": params["embedding"]["table"],
        "cls.predictions.decoder.bias": params["output_bias"],
    }

    def dense(name, part):
        weights[f"{name}.weight"], weights[f"{name}.bias"] = part["kernel"].T, part["bias"]

    def norm(name, part):
        weights[f"{name}.weight"], weights[f"{name}.bias"] = part["scale"], part["bias"]

    norm("bert.embeddings.LayerNorm", params["embedding_norm"])
    dense("bert.pooler.dense", params["pooler"])
    dense("cls.seq_relationship", params["next_sentence"])
    dense("cls.predictions.transform.dense", params["prediction"])
    norm("cls.predictions.transform.LayerNorm", params["prediction_norm"])
    for number in range(config.num_layers):
        layer, name = params[f"layers_{number}"], f"bert.encoder.layer.{number}"
        projections = layer["self_attention"]["query_key_value"]
        for place, part in enumerate(("query", "key", "value")):
            weights[f"{name}.attention.self.{part}.weight"] = projections["kernel"][:, place].T
            weights[f"{name}.attention.self.{part}.bias"] = projections["bias"][place]
        dense(f"{name}.attention.output.dense", layer["self_attention"]["output"])
        norm(f"{name}.attention.output.LayerNorm", layer["self_attention_residual"]["norm"])
        dense(f"{name}.intermediate.dense", layer["feed_forward"]["inner"])
        dense(f"{name}.output.dense", layer["feed_forward"]["outer"])
        norm(f"{name}.output.LayerNorm", layer["feed_forward_residual"]["norm"])
    state = {name: torch.from_numpy(np.array(value)) for name, value in weights.items()}
    missing, unexpected = theirs.load_state_dict(state, strict=False)
    assert not unexpected and all(name.endswith("position_ids") for name in missing)
    return torch, theirs.eval()


@pytest.mark.parametrize("size", SIZES)
def test_states_logits_and_gradients_are_pytorchs(size):
    model, params = _bert(size)
    torch, theirs = _theirs(model, params)
    text = _text(TEXTS)
    tokens, mask, kinds = (torch.from_numpy(np.array(each)).long() for each in (text.tokens, text.segments, text.kinds))
    arguments = dict(attention_mask=mask, token_type_ids=kinds, output_hidden_states=True)
    found = theirs(tokens, **arguments)
    hidden = model.apply({"params": params}, text, method="hidden")
    logits, next_sentence = model.apply({"params": params}, text)
    pooled = model.apply({"params": params}, hidden[:, 0], method="pooled")
    kept = text.segments > 0
    np.testing.assert_allclose(hidden[kept], found.hidden_states[-1].detach().numpy()[kept], atol=1e-4)
    np.testing.assert_allclose(logits[kept], found.prediction_logits.detach().numpy()[kept], atol=1e-4)
    np.testing.assert_allclose(next_sentence, found.seq_relationship_logits.detach().numpy(), atol=1e-4)
    np.testing.assert_allclose(pooled, theirs.bert(tokens, mask, kinds).pooler_output.detach().numpy(), atol=1e-4)

    labels = np.where(kept & (text.tokens % 3 == 0), (text.tokens + 1) % VOCAB, -100)
    follows = np.array([0, 1, 1])
    arguments |= dict(labels=torch.from_numpy(labels).long(), next_sentence_label=torch.from_numpy(follows).long())
    theirs(tokens, **arguments).loss.backward()

    def loss(params):
        logits, next_sentence = model.apply({"params": params}, text)
        chosen = jnp.take_along_axis(jax.nn.log_softmax(logits), jnp.maximum(labels, 0)[..., None], axis=-1)[..., 0]
        masked = -jnp.sum(jnp.where(labels >= 0, chosen, 0.0)) / np.sum(labels >= 0)
        return masked - jnp.mean(jax.nn.log_softmax(next_sentence)[np.arange(3), follows])

    gradient = jax.grad(loss)(params)
    embeddings = theirs.bert.embeddings
    np.testing.assert_allclose(gradient["embedding"]["table"], embeddings.word_embeddings.weight.grad, atol=1e-4)
    np.testing.assert_allclose(gradient["kinds"]["table"], embeddings.token_type_embeddings.weight.grad, atol=1e-4)
    inner = theirs.bert.encoder.layer[0].intermediate.dense.weight.grad
    np.testing.assert_allclose(gradient["layers_0"]["feed_forward"]["inner"]["kernel"].T, inner, atol=1e-4)


def test_packing_and_padding_change_no_text():
    model, params = _bert()
    apply = jax.jit(lambda text: model.apply({"params": params}, text, method="hidden"))
    alone = apply(_text([TEXTS[1]]))
    tokens, positions, segments, kinds = np.zeros((4, 1, LENGTH), np.int32)
    for segment, (begin, text) in enumerate(((0, TEXTS[0]), (7, TEXTS[1])), 1):
        ids = [*text[0], *text[1]][: 7 if segment == 1 else 3]
        place = slice(begin, begin + len(ids))
        tokens[0, place], positions[0, place], segments[0, place] = ids, np.arange(len(ids)), segment
        kinds[0, place] = np.arange(len(ids)) >= len(text[0])
    packed = apply(Text(tokens, positions, segments, kinds))
    np.testing.assert_allclose(packed[0, 7:10], alone[0, :3], atol=2e-5)


def test_bad_sizes_are_refused():
    with pytest.raises(UserError, match="num_heads"):
        BertConfig(model_dim=10, num_heads=3)
    with pytest.raises(UserError, match="dropout"):
        BertConfig(dropout=1.0)
