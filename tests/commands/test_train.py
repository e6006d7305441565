"""`mt train`'s vocabulary."""

from mt.commands.train import make_tokenizers
from mt.config import RunConfig
from mt.data.data_config import DataConfig
from mt.data.tokenizer import Tokenizer, TokenizerConfig
from tests.conftest import shipped_pairs


def test_the_vocabulary_is_learnt_in_proportion_to_the_weights(tmp_path, monkeypatch, tokenizer):
    pairs = shipped_pairs("train", 400)
    for name, own in (("often", pairs[:300]), ("seldom", pairs[300:])):
        (tmp_path / f"{name}.tsv").write_text("".join("\t".join(pair) + "\n" for pair in own), "utf-8")
    corpora = tuple(str(tmp_path / f"{name}.tsv") for name in ("often", "seldom"))
    learnt: list[str] = []
    monkeypatch.setattr(Tokenizer, "train", lambda lines, config: learnt.extend(lines) or tokenizer)

    def learn(weights: tuple[float, ...], lines: int = 5_000_000) -> list[tuple[str, str]]:
        learnt.clear()
        data = DataConfig(train=corpora, train_weights=weights, dev=corpora[0])
        make_tokenizers(RunConfig(data=data, tokenizer=TokenizerConfig(training_lines=lines)))
        return list(zip(learnt[::2], learnt[1::2]))

    assert learn(()) == learn((2.0, 2.0)) == pairs
    assert learn((2.0, 0.5)) == pairs[:300] + pairs[300::4]
    assert learn((0.1, 1.0)) == pairs[:300:10] + pairs[300:]
    assert learn((1.0, 0.5), 350) == pairs[:300:2] + pairs[300::4]
