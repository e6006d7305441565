"""The Reformer's language model is PyTorch's with the same weights and the same rotations."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from mt.errors import UserError
from mt.models.reformer_lm import ReformerLmConfig
from tests.conftest import VOCAB, random_params

SIZES = {
    "lsh": dict(attention=("lsh",), rounds=1),
    "lsh, rounds": dict(attention=("lsh",), rounds=3, buckets=(2, 4)),
    "local": dict(attention=("local",), local_before=2),
    "mixed": dict(attention=("local", "lsh"), num_layers=3, rounds=2, num_heads=4, activation="gelu_erf"),
    "learned positions": dict(positions="learned", num_layers=1),
    "one chunk": dict(lsh_chunk=32, local_chunk=32),
    "chunks of feed-forward": dict(feed_forward_chunk=7, num_layers=1),
}
ROWS, LENGTH = 2, 24


def _model(**changes):
    sizes = dict(num_layers=2, model_dim=16, ff_dim=32, num_heads=2, lsh_chunk=4, local_chunk=4, rounds=2)
    sizes |= dict(buckets=(4,), max_positions=32, axial_columns=8, axial_dim=4, dropout=0.0, circular=True)
    model = ReformerLmConfig(**(sizes | changes)).build(VOCAB)
    return model, random_params(model)


def _batch(tokens, segments=None):
    tokens = jnp.asarray(tokens)
    segments = jnp.ones_like(tokens) if segments is None else jnp.asarray(segments)
    return {"target_inputs": tokens, "target_segments": segments}


def theirs(config, vocab, causal=True):
    """Hugging Face's modules of these sizes, whose layers all hash by the same rotations. In float64: in float32 they
    round the logarithms of what sees itself alone, -100,000 and some, to hundredths, and weights with them."""
    torch = pytest.importorskip("torch", reason="PyTorch is not installed")
    transformers = pytest.importorskip("transformers", reason="transformers is not installed")
    if not hasattr(transformers, "ReformerModelWithLMHead"):
        pytest.skip("this version of transformers has no Reformer")
    rows = -(-config.max_positions // config.axial_columns)
    factors = config.bucket_factors
    options = transformers.ReformerConfig(
        vocab_size=vocab,
        attn_layers=list(config.kinds(config.attention, config.num_layers)),
        hidden_size=config.model_dim,
        feed_forward_size=config.ff_dim,
        num_attention_heads=config.num_heads,
        attention_head_size=config.model_dim // config.num_heads,
        hidden_act={"gelu_erf": "gelu"}.get(config.activation, config.activation),
        axial_pos_embds=config.positions == "axial",
        axial_pos_shape=[rows, config.axial_columns],
        axial_pos_embds_dim=[config.row_dim, config.model_dim - config.row_dim],
        max_position_embeddings=config.max_positions,
        lsh_attn_chunk_length=config.lsh_chunk,
        lsh_num_chunks_before=config.lsh_before,
        lsh_num_chunks_after=0 if causal else config.lsh_after,
        local_attn_chunk_length=config.local_chunk,
        local_num_chunks_before=config.local_before,
        local_num_chunks_after=0 if causal else config.local_after,
        num_hashes=config.rounds,
        num_buckets=factors[0] if len(factors) == 1 else list(factors),
        hash_seed=3,
        is_decoder=causal,
        layer_norm_eps=config.norm_epsilon,
        hidden_dropout_prob=0.0,
        lsh_attention_probs_dropout_prob=0.0,
        local_attention_probs_dropout_prob=0.0,
        use_cache=False,
    )
    made = transformers.ReformerModelWithLMHead(options) if causal else transformers.ReformerModel(options)
    torch.manual_seed(3)
    shape = config.num_heads, config.model_dim // config.num_heads, config.rounds, sum(factors) // 2
    rotations = jnp.asarray(torch.randn(shape, dtype=torch.float64).numpy(), jnp.float32)
    kinds = config.kinds(config.attention, config.num_layers)
    return torch, made.double().eval(), [rotations if kind == "lsh" else None for kind in kinds]


def weights_of(config, stack, embedding, positions):
    """Those of Hugging Face's names, of a stack's."""
    named = {"embeddings.word_embeddings.weight": embedding["table"]}
    if config.positions == "axial":
        named["embeddings.position_embeddings.weights.0"] = positions["rows"][:, None]
        named["embeddings.position_embeddings.weights.1"] = positions["columns"][None]
    else:
        named["embeddings.position_embeddings.embedding.weight"] = positions["table"]
    for number, kind in enumerate(config.kinds(config.attention, config.num_layers)):
        attention, feed_forward = stack[f"self_attentions_{number}"], stack[f"feed_forwards_{number}"]
        parts = ("query_key", "value") if kind == "lsh" else ("query", "key", "value")
        kernel = attention["self_attention"]["projections"]["kernel"]
        inside = feed_forward["feed_forward"]
        own = {f"attention.self_attention.{name}.weight": kernel[:, part].T for part, name in enumerate(parts)} | {
            "attention.layer_norm.weight": attention["residual"]["norm"]["scale"],
            "attention.layer_norm.bias": attention["residual"]["norm"]["bias"],
            "attention.output.dense.weight": attention["self_attention"]["output"]["kernel"].T,
            "feed_forward.layer_norm.weight": feed_forward["residual"]["norm"]["scale"],
            "feed_forward.layer_norm.bias": feed_forward["residual"]["norm"]["bias"],
            "feed_forward.dense.dense.weight": inside["inner"]["kernel"].T,
            "feed_forward.dense.dense.bias": inside["inner"]["bias"],
            "feed_forward.output.dense.weight": inside["outer"]["kernel"].T,
            "feed_forward.output.dense.bias": inside["outer"]["bias"],
        }
        named |= {f"encoder.layers.{number}.{name}": value for name, value in own.items()}
    return named


def _named(config, params):
    named = weights_of(config, params["decoder"], params["target_embedding"], params["target_positions"])
    named |= {
        "encoder.layer_norm.weight": params["norm"]["scale"],
        "encoder.layer_norm.bias": params["norm"]["bias"],
    }
    return {f"reformer.{name}": value for name, value in named.items()} | {
        "lm_head.bias": params["output_bias"],
        "lm_head.decoder.bias": params["output_bias"],
        "lm_head.decoder.weight": params["output_embedding"]["table"],
    }


def load(torch, module, named):
    module.load_state_dict({name: torch.from_numpy(np.array(value)) for name, value in named.items()})


def _read(model, rotations):
    def read(params, batch):
        hidden = model.apply({"params": params}, batch, rotations=rotations, method="hidden")
        return hidden, model.apply({"params": params}, hidden, method="logits")

    return jax.jit(read)


@pytest.mark.parametrize("padded", [False, True], ids=["full", "padded"])
@pytest.mark.parametrize("size", SIZES)
def test_hidden_states_and_logits_are_pytorchs(size, padded):
    model, params = _model(**SIZES[size])
    torch, other, rotations = theirs(model.config, VOCAB)
    load(torch, other, _named(model.config, params))
    length = LENGTH - 3 * padded  # which is not of whole chunks
    tokens = np.random.default_rng(0).integers(3, VOCAB, (ROWS, length))
    segments = np.ones_like(tokens)
    if padded:
        segments[1, 10:] = 0
    found = other.reformer(torch.from_numpy(tokens), attention_mask=torch.from_numpy(segments))
    hidden, logits = _read(model, rotations)(params, _batch(tokens, segments))
    there = segments > 0
    expected = found.last_hidden_state
    np.testing.assert_allclose(np.asarray(hidden)[there], expected.detach().numpy()[there], atol=1e-4)
    their_logits = other.lm_head(expected).detach().numpy()
    np.testing.assert_allclose(np.asarray(logits)[there], their_logits[there], atol=1e-4)


@pytest.mark.parametrize("size", ["lsh, rounds", "mixed"])
def test_the_loss_and_its_gradients_are_pytorchs(size):
    model, params = _model(**SIZES[size])
    config = model.config
    torch, other, rotations = theirs(config, VOCAB)
    load(torch, other, _named(config, params))
    tokens = np.random.default_rng(1).integers(3, VOCAB, (ROWS, LENGTH + 8))  # as many as they have positions

    @jax.jit
    def loss(params):
        rngs = {"dropout": jax.random.key(0)}  # draws nothing: rates are 0, and rotations given
        hidden = model.apply({"params": params}, _batch(tokens), False, rotations, method="hidden", rngs=rngs)
        log_probs = jax.nn.log_softmax(model.apply({"params": params}, hidden, method="logits"))[:, :-1]
        return -jnp.mean(jnp.take_along_axis(log_probs, jnp.asarray(tokens)[:, 1:, None], axis=-1))

    value, gradients = jax.value_and_grad(loss)(params)
    inputs = torch.from_numpy(tokens)
    their = other.train()(inputs, labels=inputs).loss
    their.backward()
    assert float(value) == pytest.approx(float(their), abs=1e-5)
    own = dict(other.named_parameters())
    expected = _named(config, gradients)
    for name, gradient in expected.items():
        if name != "lm_head.decoder.bias":  # the same as lm_head.bias
            np.testing.assert_allclose(gradient, own[name].grad, atol=1e-4, err_msg=name)


def test_documents_see_themselves_alone_and_nothing_that_comes():
    model, params = _model(circular=False)
    documents = np.array([[1] * 9 + [2] * 10 + [0] * 3])
    tokens = np.arange(documents.size)[None]

    def read(table):
        changed = params | {"target_embedding": {"table": table}}
        batch = _batch(tokens) | {"target_documents": jnp.asarray(documents)}
        return model.apply({"params": changed}, batch, method="hidden")[0].sum(-1)

    moved = np.abs(jax.jit(jax.jacrev(read))(params["target_embedding"]["table"])).sum(-1)[:, : tokens.size]
    may = (documents[0][:, None] == documents[0][None]) & np.tri(tokens.size, dtype=bool)
    assert (moved[:19][~may[:19]] == 0).all() and (np.diag(moved) > 0).all()
    assert (moved[:19] > 0).sum() > 19 * 3


def test_a_document_reads_as_it_does_alone():
    """The first one of a row, whose chunks stand where they would stand without the others."""
    model, params = _model(circular=False)
    tokens = np.random.default_rng(2).integers(3, VOCAB, (1, 22))
    documents = jnp.asarray([[1] * 10 + [2] * 9 + [0] * 3])
    apply = jax.jit(lambda batch: model.apply({"params": params}, batch))
    both = apply(_batch(tokens) | {"target_documents": documents})
    alone = apply(_batch(tokens) | {"target_documents": jnp.where(documents == 1, 1, 0)})
    np.testing.assert_allclose(both[0, :10], alone[0, :10], atol=1e-5)


@pytest.mark.parametrize(
    "changes",
    [
        dict(attention=("local",)),
        dict(attention=("lsh",), lsh_chunk=32),
        dict(attention=("local", "lsh"), lsh_chunk=32),
        dict(attention=("local", "lsh"), lsh_chunk=32, positions="rotary"),
    ],
    ids=["local", "lsh in one chunk", "mixed", "rotary"],
)
def test_steps_with_a_cache_are_one_pass(changes):
    model, params = _model(circular=False, **changes)
    text = np.random.default_rng(6).integers(3, VOCAB, (1, 14))
    whole = model.apply({"params": params}, _batch(text))
    prompt = np.pad(text[:, :5], ((0, 0), (0, 2)))
    cache = jax.jit(model.start, static_argnums=(2, 3))(params, jnp.asarray(prompt), 2, 9)
    step = jax.jit(model.step)
    for position in range(5, 14):
        logits, cache = step(params, jnp.array([[text[0, position], 20 + position % 7]]), cache)
        np.testing.assert_allclose(logits[0, 0], whole[0, position], atol=2e-5)
        cache = model.reorder(cache, jnp.array([[0, 0]]))


def test_a_source_is_refused():
    with pytest.raises(UserError, match="reads text of one language"):
        ReformerLmConfig().check_lengths(8, 8)
    with pytest.raises(UserError, match="model.max_positions: 16384 are fewer than data.batching.row_length 20000"):
        ReformerLmConfig().check_lengths(0, 20_000)
    with pytest.raises(UserError, match="one vocabulary"):
        ReformerLmConfig().build(8, 9)
