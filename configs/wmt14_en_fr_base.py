"""The base model of "Attention Is All You Need" (table 3) on WMT 2014 English to French.

    mt train configs/wmt14_en_fr_base.py --workdir runs/en_fr_base            # one TPU VM, or one machine with GPUs
    gcloud compute tpus tpu-vm ssh NAME --worker all --command "… the same …"   # a pod: on each of its hosts
    mt average runs/en_fr_base runs/en_fr_base_mean --last 5

TFDS downloads WMT 2014 once (36M pairs; about 30 GB of disk). All is as in the paper: its data, 32,000 pieces that both
languages share, about 25,000 tokens of either side a step, 100,000 steps, its learning rate (section 5.3), label
smoothing and dropout (5.4), the mean of the last 5 checkpoints, ten minutes of its machine apart, and its search (6.1).
It reports 38.1 BLEU on newstest2014. To compare, translate what sacreBLEU holds to be that set:

    sacrebleu -t wmt14/full -l en-fr --echo src | mt translate runs/en_fr_base_mean | sacrebleu -t wmt14/full -l en-fr

That is BLEU of detokenised text, where the paper's is of tokens: of theirs, Ott et al. 2018 ("Scaling Neural Machine
Translation") report 43.2 of tokens and 41.4 detokenised for this pair.

What `mt plan configs/wmt14_en_fr_base.py --topology v5e:2x4` says, and v5e:4x8 (bounds from the compiler's figures: it
holds memory traffic for what limits both):

    one TPU VM of 8 cores      1.53 of 16 GB a core    at least 0.72 hours for the 100,000 steps
    a pod of 32 cores          1.33 of 16 GB           at least 0.48 hours

`data.batching.row_multiple` is 32 rows, so the same config, and the same batches, run on 1 to 32 devices.
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
        model=TransformerConfig(dtype="bfloat16"),
        tokenizer=TokenizerConfig(vocab_size=32_000, kind="bpe"),
        data=DataConfig(
            train=("wmt14_translate/fr-en",),
            batching=BatchingConfig("packing", batch_tokens=24_576, row_length=256, row_multiple=32),
        ),
        optimizer=OptimizerConfig(learning_rate=7e-4, warmup_steps=4000),
        training=TrainingConfig(steps=100_000, evaluate_every=1500, keep_last=5),
        search=SearchConfig(beam_size=4, length_penalty=0.6, max_length_factor=1.0, max_length_offset=50),
    )
