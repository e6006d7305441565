"""English to French, the model that ships: everyday sentences first, then manuals, the Bible and laws.

    MT_CORPORA=FOLDER mt train configs/en_fr_small.py --workdir runs/en_fr_small
    MT_CORPORA=FOLDER bash mt/pretrained/make_en_fr_small.sh runs/en_fr_small en_fr_small    # that, scores, and export

FOLDER has a folder for each corpus, with train.en, train.fr and so on; mt/pretrained/en_fr_small.md says where they
come from. The phrases are named from where the project lies. On one AVX2 core at about 1,000 target tokens a second,
7,000 steps take four hours and a half.

The model that ships is of four trainings on one core each. Its first 952 steps were made without augmentation: then it
translated the first sentence of a paragraph and forgot the others. The phrases came last: "Hello" stands thirty-five
times in all else, in ten translations. Each training began with the parameters of the one before, T being the corpora
below without the phrases:

    mt train configs/en_fr_small.py --workdir A --training.steps 3700 --data.augmentation.joined 0 \
        --data.augmentation.informal 0 --data.augmentation.capitals 0 \
        --data.train $T --data.train-weights 1 0.5 0.5 0.2 0.02          # stopped at step 952
    mt average A B --last 1
    mt train configs/en_fr_small.py --workdir C --start-from B --seed 1 --training.steps 2600 \
        --optimizer.warmup-steps 100 --data.train $T --data.train-weights 1 0.5 0.5 0.2 0.02
    mt train configs/en_fr_small.py --workdir D --start-from C --seed 2 --training.steps 3300 \
        --optimizer.learning-rate 4e-3 --optimizer.warmup-steps 150 \
        --data.train $T --data.train-weights 1 0.3 0.3 0.1 0.01
    mt train configs/en_fr_small.py --workdir E --start-from D --seed 3 --training.steps 650 \
        --optimizer.learning-rate 2e-3 --optimizer.warmup-steps 50 --optimizer.weight-decay 0.1

Tatoeba's dev set (500 sentences, greedy; nats a target token) had 27.0 BLEU and 1.705 nats after 740 steps of the
first; 33.5, 37.1, 41.5, 42.4 and 1.367, 1.193, 1.093, 1.040 after 650, 1,300, 1,950 and 2,600 of the second; 41.9,
43.3, 46.0, 46.1, 47.0 and 1.061, 0.986, 0.932, 0.905, 0.882 after 660, 1,320, 1,980, 2,640 and 3,300 of the third; and
46.2, 47.4 and 0.908, 0.889 after 325 and 650 of the fourth. The test set, by a beam of 4: 43.38 BLEU after the second,
47.47 after the third, and 47.33, with 65.35 chrF, after the fourth.
"""

from mt.config import RunConfig
from mt.data.augmentation import AugmentationConfig
from mt.data.batching import BatchingConfig
from mt.data.data_config import DataConfig
from mt.data.tokenizer import TokenizerConfig
from mt.models.transformer import TransformerConfig
from mt.training.loop import TrainingConfig
from mt.training.optimizer import OptimizerConfig


def get_config() -> RunConfig:
    """The config; see the top of this file."""
    return RunConfig(
        model=TransformerConfig(
            num_layers=5, decoder_layers=3, model_dim=256, ff_dim=1024, num_heads=4, norm="pre", dropout=0.1
        ),
        tokenizer=TokenizerConfig(vocab_size=8000, kind="bpe"),
        data=DataConfig(
            train=(
                "tatoeba_en_fr",
                "$MT_CORPORA/php-docs",
                "$MT_CORPORA/python-docs",
                "$MT_CORPORA/bible-docs",
                "$MT_CORPORA/canlaws-docs",
                "mt/pretrained/phrases_en_fr.tsv",
            ),
            train_weights=(1.0, 0.3, 0.3, 0.1, 0.01, 20.0),
            augmentation=AugmentationConfig(joined=0.1, informal=0.06, capitals=0.02),
            batching=BatchingConfig("packing", batch_tokens=2304, row_length=96, row_multiple=2),
        ),
        optimizer=OptimizerConfig(
            kind="muon",
            newton_schulz_steps=3,
            learning_rate=5e-3,
            schedule="linear",
            warmup_steps=400,
            clip_norm=1.0,
        ),
        training=TrainingConfig(
            steps=7000, label_smoothing=0.05, evaluate_every=600, dev_sentences=500, average_decay=0.995
        ),
    )
