"""Transformer-XL is PyTorch's with the same weights, segment by segment, and remembers its own documents alone."""

import dataclasses
import os

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from mt.errors import UserError
from mt.models.transformer_xl import TransformerXlConfig
from tests.conftest import VOCAB, random_params

SIZES = {
    "plain": dict(memory_length=5),
    "longer than a segment": dict(memory_length=9, num_layers=3, num_heads=4),
    "clusters": dict(memory_length=4, adaptive_cutoffs=(8, 20), adaptive_factor=2),
    "other projections": dict(memory_length=3, adaptive_cutoffs=(10,), adaptive_factor=4, tie_projections=False),
    "as many each": dict(memory_length=5, same_length=True),
    "clamped": dict(memory_length=6, max_distance=3),
    "pre-norm": dict(memory_length=4, norm="pre"),
}
ROWS, LENGTH, SEGMENTS = 2, 5, 3


def _model(**changes):
    sizes = dict(num_layers=2, model_dim=16, ff_dim=32, num_heads=2, dropout=0.0)
    model = TransformerXlConfig(**(sizes | changes)).build(VOCAB)
    params = random_params(model)
    for layer in (each for name, each in params.items() if name.startswith("layers_")):
        attention = layer["self_attention"]  # whose projections have no bias in the authors' code
        for name in ("query_key_value", "output"):
            attention[name]["bias"] = jnp.zeros_like(attention[name]["bias"])
    return model, params


def _batch(tokens, documents=None):
    """Text that reads `tokens`, [rows, length]."""
    tokens = jnp.asarray(tokens)
    batch = {"target_inputs": tokens, "target_segments": jnp.ones_like(tokens)}
    return batch | {"target_documents": jnp.ones_like(tokens) if documents is None else jnp.asarray(documents)}


def _theirs(model, params):
    """Hugging Face's, with these weights."""
    torch = pytest.importorskip("torch", reason="PyTorch is not installed")
    os.environ["TRUST_REMOTE_CODE"] = "True"  # without which it refuses to load, for one of its tokenizer's files
    transformers = pytest.importorskip("transformers", reason="transformers is not installed")
    if not hasattr(transformers, "TransfoXLLMHeadModel"):
        pytest.skip("this version of transformers has no Transformer-XL")
    config = model.config
    clusters = len(config.adaptive_cutoffs)
    theirs = transformers.TransfoXLLMHeadModel(
        transformers.TransfoXLConfig(
            vocab_size=model.vocab,
            cutoffs=list(config.adaptive_cutoffs),
            d_model=config.model_dim,
            d_embed=config.model_dim,
            n_head=config.num_heads,
            d_head=config.model_dim // config.num_heads,
            d_inner=config.ff_dim,
            div_val=config.adaptive_factor if clusters else 1,
            pre_lnorm=config.norm == "pre",
            n_layer=config.num_layers,
            mem_len=config.memory_length,
            clamp_len=config.max_distance or -1,
            same_length=config.same_length,
            tie_projs=[config.tie_projections] * (clusters + 1),
            proj_share_all_but_first=False,
            layer_norm_epsilon=config.norm_epsilon,
            dropout=0.0,
            dropatt=0.0,
        )
    )
    embedding = params["embedding"]
    weights = {}
    if clusters:
        bounds = [0, *config.adaptive_cutoffs, model.vocab]
        for number, (start, stop) in enumerate(zip(bounds, bounds[1:])):
            table, projection = embedding[f"table_{number}"], embedding[f"projection_{number}"].T
            weights[f"transformer.word_emb.emb_layers.{number}.weight"] = table
            weights[f"transformer.word_emb.emb_projs.{number}"] = projection
            weights[f"crit.out_layers.{number}.weight"] = table
            weights[f"crit.out_layers.{number}.bias"] = embedding["bias"][start:stop]
            output = projection if config.tie_projections else embedding[f"output_projection_{number}"].T
            weights[f"crit.out_projs.{number}"] = output
        weights |= {"crit.cluster_weight": embedding["clusters"], "crit.cluster_bias": embedding["clusters_bias"]}
    else:
        weights["transformer.word_emb.emb_layers.0.weight"] = embedding["table"]
        weights["crit.out_layers.0.weight"] = embedding["table"]
        weights["crit.out_layers.0.bias"] = params["output_bias"]
    for number in range(config.num_layers):
        layer = params[f"layers_{number}"]
        attention, feed_forward = layer["self_attention"], layer["feed_forward"]
        own = {
            "dec_attn.qkv_net.weight": attention["query_key_value"]["kernel"].reshape(config.model_dim, -1).T,
            "dec_attn.o_net.weight": attention["output"]["kernel"].T,
            "dec_attn.r_net.weight": attention["position"]["kernel"].T,
            "dec_attn.r_w_bias": attention["content_bias"],
            "dec_attn.r_r_bias": attention["position_bias"],
            "dec_attn.layer_norm.weight": layer["self_attention_residual"]["norm"]["scale"],
            "dec_attn.layer_norm.bias": layer["self_attention_residual"]["norm"]["bias"],
            "pos_ff.CoreNet.0.weight": feed_forward["inner"]["kernel"].T,
            "pos_ff.CoreNet.0.bias": feed_forward["inner"]["bias"],
            "pos_ff.CoreNet.3.weight": feed_forward["outer"]["kernel"].T,
            "pos_ff.CoreNet.3.bias": feed_forward["outer"]["bias"],
            "pos_ff.layer_norm.weight": layer["feed_forward_residual"]["norm"]["scale"],
            "pos_ff.layer_norm.bias": layer["feed_forward_residual"]["norm"]["bias"],
        }
        weights |= {f"transformer.layers.{number}.{name}": value for name, value in own.items()}
    state = {name: torch.from_numpy(np.array(value)) for name, value in weights.items()}
    missing, unexpected = theirs.load_state_dict(state, strict=False)
    assert not unexpected and all(name.endswith("inv_freq") for name in missing), (missing, unexpected)
    return torch, theirs.eval()


@pytest.mark.parametrize("size", SIZES)
def test_three_segments_are_pytorchs(size):
    model, params = _model(**SIZES[size], sees_empty_memory=True)
    torch, theirs = _theirs(model, params)
    tokens = np.random.default_rng(0).integers(1, VOCAB, (SEGMENTS, ROWS, LENGTH))
    read = jax.jit(lambda batch, carry: model.apply({"params": params}, batch, carry, method="read"))
    carry, memories = model.initial_carry(ROWS), None
    for segment in tokens:
        hidden, carry = read(_batch(segment), carry)
        logits = model.apply({"params": params}, hidden, method="logits")
        inputs = torch.from_numpy(segment)
        found = theirs(inputs, mems=memories, output_hidden_states=True)
        memories = found.mems
        # With pre-norm, theirs forgets the last normalisation.
        if model.config.norm == "post":
            np.testing.assert_allclose(hidden, found.hidden_states[-1].detach().numpy(), atol=1e-4)
            scores = found.prediction_scores.detach().numpy()
            np.testing.assert_allclose(jax.nn.log_softmax(logits), scores, atol=1e-4)
        for own, their in zip(carry.hidden, memories):
            np.testing.assert_allclose(own, their.transpose(0, 1).detach().numpy(), atol=1e-4)


def test_gradients_are_pytorchs():
    model, params = _model(memory_length=4, sees_empty_memory=True)
    torch, theirs = _theirs(model, params)
    tokens = np.random.default_rng(1).integers(1, VOCAB, (2, ROWS, LENGTH))
    _, carry = model.apply({"params": params}, _batch(tokens[0]), model.initial_carry(ROWS), method="read")

    def loss(params):
        hidden, _ = model.apply({"params": params}, _batch(tokens[1]), carry, method="read")
        log_probs = jax.nn.log_softmax(model.apply({"params": params}, hidden, method="logits"))[:, :-1]
        return -jnp.mean(jnp.take_along_axis(log_probs, jnp.asarray(tokens[1])[:, 1:, None], axis=-1))

    gradient = jax.grad(loss)(params)
    memories = theirs(torch.from_numpy(tokens[0])).mems
    inputs = torch.from_numpy(tokens[1])
    theirs(inputs, mems=memories, labels=inputs).loss.backward()
    layer, their = gradient["layers_0"]["self_attention"], theirs.transformer.layers[0].dec_attn
    for own, parameter in (
        (gradient["embedding"]["table"], theirs.transformer.word_emb.emb_layers[0].weight),
        (layer["query_key_value"]["kernel"].reshape(16, -1).T, their.qkv_net.weight),
        (layer["position"]["kernel"].T, their.r_net.weight),
        (layer["content_bias"], their.r_w_bias),
        (layer["position_bias"], their.r_r_bias),
    ):
        np.testing.assert_allclose(own, parameter.grad.numpy(), atol=1e-4)


@pytest.mark.parametrize("changes", [{}, {"norm": "pre"}, {"adaptive_cutoffs": (9,)}])
def test_halves_with_a_memory_are_the_whole(changes):
    model, params = _model(memory_length=8, **changes)
    tokens = np.random.default_rng(2).integers(1, VOCAB, (ROWS, 8))
    whole = model.apply({"params": params}, _batch(tokens), method="hidden")
    first, carry = model.apply({"params": params}, _batch(tokens[:, :4]), model.initial_carry(ROWS), method="read")
    second, _ = model.apply({"params": params}, _batch(tokens[:, 4:]), carry, method="read")
    np.testing.assert_allclose(jnp.concatenate([first, second], axis=1), whole, atol=1e-5)
    longer = model.clone(config=dataclasses.replace(model.config, memory_length=20))
    again = longer.apply({"params": params}, _batch(tokens[:, :4]), longer.initial_carry(ROWS), method="read")
    np.testing.assert_allclose(again[0], first, atol=1e-5)


def test_rows_that_are_not_full_leave_no_gap():
    model, params = _model(memory_length=6)
    tokens = np.random.default_rng(3).integers(1, VOCAB, (1, 7))
    whole = model.apply({"params": params}, _batch(tokens), method="hidden")
    padded = np.pad(tokens[:, :3], ((0, 0), (0, 2)))
    _, carry = model.apply({"params": params}, _batch(padded, padded > 0), model.initial_carry(1), method="read")
    _, carry = model.apply({"params": params}, _batch(0 * padded, 0 * padded), carry, method="read")
    rest, _ = model.apply({"params": params}, _batch(tokens[:, 3:]), carry, method="read")
    np.testing.assert_allclose(rest, whole[:, 3:], atol=1e-5)


def test_nothing_is_seen_of_another_document_or_of_what_comes():
    model, params = _model(memory_length=4)
    tokens = jax.random.randint(jax.random.key(4), (1, LENGTH), 1, VOCAB)
    memory = model.initial_carry(1)
    memory = memory._replace(documents=jnp.array([[1, 1, 2, 2]]))

    def read(past, embedded):
        carry = memory._replace(hidden=(past,) * 2)
        changed = params | {"embedding": {"table": embedded}}
        documents = jnp.array([[2, 2, 2, 3, 3]])
        return model.apply({"params": changed}, _batch(tokens, documents), carry, method="read")[0][0]

    past = jax.random.normal(jax.random.key(5), (1, 4, 16))
    moved = np.abs(jax.jacobian(read)(past, params["embedding"]["table"])).sum((1, 2, 4))  # [token, place]
    assert (moved[:3, :2] == 0).all() and (moved[3:] == 0).all() and (moved[:3, 2:] > 0).all()
    carry = memory._replace(hidden=(past,) * 2)
    other = tokens.at[0, 3].add(1)
    one, two = (
        model.apply({"params": params}, _batch(each), carry, method="read")[0] for each in (tokens, other % VOCAB)
    )
    np.testing.assert_array_equal(one[:, :3], two[:, :3])


@pytest.mark.parametrize("changes", [{}, {"norm": "pre", "adaptive_cutoffs": (9,)}])
def test_steps_with_a_cache_are_one_pass(changes):
    model, params = _model(memory_length=4, **changes)
    text = np.random.default_rng(6).integers(1, VOCAB, (1, 8))
    whole = model.apply({"params": params}, _batch(text))
    prompt = np.pad(text[:, :3], ((0, 0), (0, 2)))
    cache = model.start(params, jnp.asarray(prompt), 2, 6)
    step = jax.jit(model.step)
    for position in range(3, 8):
        logits, cache = step(params, jnp.array([[text[0, position], 20 + position]]), cache)
        np.testing.assert_allclose(logits[0, 0], whole[0, position], atol=2e-5)
        cache = model.reorder(cache, jnp.array([[0, 0]]))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (dict(memory_length=-1), "model.memory_length: -1 is negative"),
        (dict(same_length=True, memory_length=0), "model.same_length"),
        (dict(adaptive_cutoffs=(9, 5)), "do not ascend"),
        (dict(adaptive_cutoffs=(VOCAB,)), "is beyond the vocabulary, of 32 pieces"),
        (dict(adaptive_cutoffs=(4, 8, 12), adaptive_factor=8), "would have no channel"),
    ],
)
def test_what_cannot_be_built_is_named(changes, message):
    with pytest.raises(UserError, match=message):
        _model(**changes)
