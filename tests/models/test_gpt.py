"""GPT is PyTorch's GPT-2 with the same weights, and translates as one sequence what stands on two sides."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from mt.decoding.beam_search import EOS, SearchConfig, beam_search
from mt.errors import UserError
from mt.models.gpt import GptConfig
from tests.conftest import VOCAB, make_batch, random_params

SIZES = {"tiny": (2, 16, 32, 2), "odd": (3, 24, 40, 3), "wide": (1, 64, 256, 8)}


def _gpt(size: str = "tiny", **changes):
    layers, model_dim, ff_dim, heads = SIZES[size]
    config = dict(num_layers=layers, model_dim=model_dim, ff_dim=ff_dim, num_heads=heads, max_positions=24)
    model = GptConfig(**(config | dict(dropout=0.0, attention_dropout=0.0) | changes)).build(VOCAB)
    return model, random_params(model)


def _theirs(model, params):
    """Hugging Face's GPT-2 with these weights."""
    torch = pytest.importorskip("torch", reason="PyTorch is not installed")
    transformers = pytest.importorskip("transformers", reason="transformers is not installed")
    config = model.config
    theirs = transformers.GPT2LMHeadModel(
        transformers.GPT2Config(
            vocab_size=model.vocab,
            n_positions=config.max_positions,
            n_embd=config.model_dim,
            n_layer=config.num_layers,
            n_head=config.num_heads,
            n_inner=config.ff_dim,
            resid_pdrop=0.0,
            embd_pdrop=0.0,
            attn_pdrop=0.0,
        )
    )
    weights = {
        "wte.weight": params["embedding"]["table"],
        "wpe.weight": params["positions"]["table"],
        "ln_f.weight": params["norm"]["scale"],
        "ln_f.bias": params["norm"]["bias"],
    }
    for number in range(config.num_layers):
        layer = params[f"layers_{number}"]
        attention, feed_forward = layer["self_attention"], layer["feed_forward"]
        width = config.model_dim
        weights |= {
            f"h.{number}.{name}": value
            for name, value in {
                "attn.c_attn.weight": attention["query_key_value"]["kernel"].reshape(width, 3 * width),
                "attn.c_attn.bias": attention["query_key_value"]["bias"].reshape(-1),
                "attn.c_proj.weight": attention["output"]["kernel"],
                "attn.c_proj.bias": attention["output"]["bias"],
                "mlp.c_fc.weight": feed_forward["inner"]["kernel"],
                "mlp.c_fc.bias": feed_forward["inner"]["bias"],
                "mlp.c_proj.weight": feed_forward["outer"]["kernel"],
                "mlp.c_proj.bias": feed_forward["outer"]["bias"],
                "ln_1.weight": layer["self_attention_residual"]["norm"]["scale"],
                "ln_1.bias": layer["self_attention_residual"]["norm"]["bias"],
                "ln_2.weight": layer["feed_forward_residual"]["norm"]["scale"],
                "ln_2.bias": layer["feed_forward_residual"]["norm"]["bias"],
            }.items()
        }
    state = {f"transformer.{name}": torch.from_numpy(np.array(value)) for name, value in weights.items()}
    state["lm_head.weight"] = state["transformer.wte.weight"]
    missing, unexpected = theirs.load_state_dict(state, strict=False)
    assert not unexpected and all(name.endswith(("attn.bias", "masked_bias")) for name in missing)
    return torch, theirs.eval()


TEXTS = [[1, 5, 6, 7, 8, 9, 10], [1, 11, 12], [1, 30, 29, 28, 27, 3]]


def _batch_of_texts():
    """Texts without a source; their tokens are what the decoder reads."""
    batch = {name: np.array(rows) for name, rows in make_batch([[([], text)] for text in TEXTS], 1, 9).items()}
    batch["source_tokens"], batch["source_segments"] = np.zeros((3, 1), np.int32), np.zeros((3, 1), np.int32)
    for row, text in enumerate(TEXTS):
        batch["target_inputs"][row] = np.pad(text, (0, 9 - len(text)))
        batch["target_segments"][row] = np.arange(9) < len(text)
    return batch


@pytest.mark.parametrize("size", SIZES)
def test_states_logits_and_gradients_are_pytorchs(size):
    model, params = _gpt(size)
    torch, theirs = _theirs(model, params)
    batch = _batch_of_texts()
    hidden = model.apply({"params": params}, batch, method="hidden")
    logits = model.apply({"params": params}, hidden, method="logits")
    tokens, mask = torch.from_numpy(batch["target_inputs"]).long(), torch.from_numpy(batch["target_segments"]).long()
    found = theirs(tokens, attention_mask=mask, output_hidden_states=True)
    kept = batch["target_segments"] > 0
    np.testing.assert_allclose(hidden[kept], found.hidden_states[-1].detach().numpy()[kept], atol=1e-4)
    np.testing.assert_allclose(logits[kept], found.logits.detach().numpy()[kept], atol=1e-4)

    labels = np.where(kept[:, 1:], batch["target_inputs"][:, 1:], -100)
    theirs(
        tokens,
        attention_mask=mask,
        labels=torch.from_numpy(np.pad(labels, ((0, 0), (1, 0)), constant_values=-100)).long(),
    ).loss.backward()

    def loss(params):
        log_probs = jax.nn.log_softmax(model.apply({"params": params}, batch)[:, :-1])
        chosen = jnp.take_along_axis(log_probs, jnp.maximum(labels, 0)[..., None], axis=-1)[..., 0]
        return -jnp.sum(jnp.where(labels >= 0, chosen, 0.0)) / np.sum(labels >= 0)

    gradient = jax.grad(loss)(params)
    np.testing.assert_allclose(gradient["embedding"]["table"], theirs.transformer.wte.weight.grad.numpy(), atol=1e-4)
    own = gradient["layers_0"]["self_attention"]["query_key_value"]["kernel"]
    np.testing.assert_allclose(
        own.reshape(own.shape[0], -1), theirs.transformer.h[0].attn.c_attn.weight.grad.numpy(), atol=1e-4
    )


@pytest.fixture(scope="module", params=["full", "causal"])
def variant(request):
    model, params = _gpt(source_attention=request.param)
    return model, params, jax.jit(model.apply)


def test_a_causal_pair_is_one_text_and_a_full_source_sees_itself():
    """The source's tokens change with later ones only where they may look at them."""
    pair = ([5, 6, 7], [8, 9])
    text = [*pair[0], EOS, 1, *pair[1]]
    batch = _batch_of_texts()
    batch["target_inputs"][0], batch["target_segments"][0] = np.pad(text, (0, 2)), np.arange(9) < len(text)
    for attention in ("causal", "full"):
        model, params = _gpt(source_attention=attention)
        of_pair = model.apply({"params": params}, make_batch([[pair]], 4, 3))[0]
        of_text = model.apply({"params": params}, batch)[0, 4:7]
        assert np.allclose(of_pair, of_text, atol=2e-5) == (attention == "causal")


def test_the_search_runs_on_it_and_scores_are_those_of_whole_passes(variant):
    model, params, apply = variant
    config = SearchConfig(beam_size=3, length_penalty=0.0, max_length_offset=3)
    source = jnp.array([[5, 6, EOS, 0], [7, EOS, 0, 0]])
    found = jax.jit(lambda params: beam_search(model, params, source, jnp.array([5, 5]), config, 5, 3))(params)
    for row, ids in enumerate(([5, 6], [7])):
        for place in range(3):
            answer = np.asarray(found.tokens[row, place, : found.lengths[row, place]]).tolist()
            log_probs = jax.nn.log_softmax(apply({"params": params}, make_batch([[(ids, answer)]], 3, 6))[0])
            total = sum(float(log_probs[position, token]) for position, token in enumerate([*answer, EOS]))
            assert float(found.log_probs[row, place]) == pytest.approx(total, abs=1e-3)


def test_bad_sizes_are_refused():
    with pytest.raises(UserError, match="num_heads"):
        GptConfig(model_dim=10, num_heads=3)
    with pytest.raises(UserError, match="one vocabulary"):
        GptConfig().build(10, 12)


def test_lines_of_a_document_are_one_text():
    model, params = _gpt(source_attention="causal")
    lines = make_batch([[([], [5, 6]), ([], [7, 8, 9]), ([], [5, 6])]], 1, 10)
    lines = {name: rows[:, :0] if name.startswith("source") else rows for name, rows in lines.items()}
    documents = jnp.array([[1, 1, 1, 1, 1, 1, 1, 2, 2, 2]])
    found = model.apply({"params": params}, lines | {"target_documents": documents})
    for begin, end in ((0, 7), (7, 10)):
        text = {"target_inputs": lines["target_inputs"][:, begin:end]}
        text["target_segments"] = jnp.ones_like(text["target_inputs"])
        text["target_positions"] = jnp.arange(end - begin)[None]
        alone = model.apply({"params": params}, text | {name: lines[name] for name in lines if "source" in name})
        np.testing.assert_allclose(found[:, begin:end], alone, atol=2e-5)
    apart = model.apply({"params": params}, lines)
    assert not np.allclose(found[:, 3:7], apart[:, 3:7], atol=1e-3)
    np.testing.assert_allclose(apart[:, :3], apart[:, 7:], atol=2e-5)
