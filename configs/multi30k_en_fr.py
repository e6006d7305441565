"""Multi30k, English to French: descriptions of pictures, 29,000 pairs that are read from the public files.

    mt train configs/multi30k_en_fr.py --workdir runs/multi30k_en_fr
    mt evaluate runs/multi30k_en_fr --moses

The model's size is that of Transformer-Tiny (Wu et al. 2021), which reports 61.80 BLEU on test_2016_flickr: of
lower-cased Moses tokens, which is what --moses gives, and not comparable with sacreBLEU's of detokenised text.

One seed, 9,000 updates in 134 minutes on one core, at 2,000 to 2,800 target tokens a second, by a beam of 5:

                          BLEU by --moses   BLEU (13a, cased)   chrF2
    val                             60.64   59.51               75.10   (greedy, 500 sentences: 60.4)
    test_2016_flickr                62.67   61.69               76.86

Before:

    8,000 unigram pieces of another toolkit's, dropout 0.2, 7,000 updates in 95 minutes on one core
    val                             60.14   59.14               74.88   (greedy, 500 sentences: 58.7)
    test_2016_flickr                61.95   60.90               76.37

    5,000 pieces by BPE, dropout 0.3, no weight decay, 11,500 updates in two hours on one core
    val                             58.54   57.43               (greedy, 500 sentences: 57.6)
    test_2016_flickr                59.39   58.27               74.57

What pays in 1,700 updates of 2,048 tokens (linear decay, warm-up 200, average decay 0.99; 15 minutes on one core, 20
where the machine was slower), one seed each, so that half a point may be chance, the whole of val by a beam of 5. So
early, what makes a task harder (sampling, R-Drop) does not pay yet:

                                                        BLEU by --moses   BLEU (13a, cased)
    5,000 pieces by BPE, dropout 0.3, no weight decay             50.15   48.83
    weight decay 0.1                                              51.71   50.33
    weight decay 0.3                                              52.87   51.64
    weight decay 1                                                50.49   49.19
    weight decay 0.3, dropout 0.2                                 55.34   54.11
    weight decay 0.3, 10,000 pieces                               56.29   55.10
    weight decay 0.3, no average of the weights                   53.47   52.16
    weight decay 0.3, no label smoothing                          52.73   51.51
    weight decay 0.3, stochastic depth 0.1                        52.19   51.04
    weight decay 0.3, BPE-dropout 0.1 on both sides               40.44   39.14
    R-Drop (consistency 5), half as many updates                  38.90   37.67

Beside MarianMT in PyTorch of the same size, on the same pieces, both at once with one core each, greedy BLEU on val
after 10, 20, 40 and 90 minutes: 42.8, 50.7, 55.3, 58.6 here, 36.8, 45.8, 51.1, 55.3 there. Theirs was tried for ten
minutes with each of (tokens a batch, rate, warm-up): 4,096, 5e-3, 500: 0.4; 4,096, 3e-3, 500: 5.7; 4,096, 2e-3, 300:
2.9; 2,048, 3e-3, 500: 23.6, which it then had, both with dropout 0.2 (`python -m tests.benchmarks.curves --env DIR
--out FOLDER --side-by-side --theirs "--batch-tokens 2048 --learning-rate 3e-3 --warmup 500 --dropout 0.2" --ours
"--model.dropout 0.2 --training.steps 7000 --training.evaluate-every 300"`).

What else was tried, by BLEU on 500 sentences of val (greedy, cased, detokenised):

    Adam 5e-3, linear decay, warm-up 300, no average, unigram 8,000    1,250 x 4,096   49.9   21 minutes on two cores
    Muon 1e-2, BPE 8,000, sampling 0.1 on both sides, not decayed yet  1,950 x 2,048   35.9   20 minutes on one core
    Muon 1e-2, BPE 5,000, no sampling, not decayed yet                 1,950 x 2,048   50.2   20 minutes on one core
    the same at its end: the table above                              11,500 x 2,048   57.6   118 minutes on one core
    the mean of its last 4 checkpoints: --moses 58.43 on val, where the last has 58.54
"""

from mt.config import RunConfig
from mt.data.batching import BatchingConfig
from mt.data.data_config import DataConfig
from mt.data.tokenizer import TokenizerConfig
from mt.decoding.beam_search import SearchConfig
from mt.models.transformer import TransformerConfig
from mt.training.loop import TrainingConfig
from mt.training.optimizer import OptimizerConfig


def get_config() -> RunConfig:
    """The config; see the top of this file."""
    return RunConfig(
        model=TransformerConfig(num_layers=4, model_dim=128, ff_dim=256, num_heads=4, norm="pre", dropout=0.25),
        tokenizer=TokenizerConfig(vocab_size=10000, kind="bpe"),
        data=DataConfig(
            train=("multi30k",),
            test="multi30k[test_2016_flickr]",
            batching=BatchingConfig("packing", batch_tokens=2048, row_length=64),
        ),
        optimizer=OptimizerConfig(
            kind="muon",
            newton_schulz_steps=3,
            learning_rate=1e-2,
            schedule="linear",
            warmup_steps=400,
            clip_norm=1.0,
            weight_decay=0.1,
        ),
        training=TrainingConfig(
            steps=9000, evaluate_every=450, dev_sentences=500, average_decay=0.998, dev_search="greedy"
        ),
        search=SearchConfig(beam_size=5, length_penalty=1.0),
    )
