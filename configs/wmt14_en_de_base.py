"""The base model of "Attention Is All You Need" (table 3) on WMT 2014 English to German.

    mt train configs/wmt14_en_de_base.py --workdir runs/en_de_base                 # one TPU VM; on a pod, on each host
    mt average runs/en_de_base runs/en_de_base_mean --last 5
    sacrebleu -t wmt14/full -l en-de --echo src | mt translate runs/en_de_base_mean | sacrebleu -t wmt14/full -l en-de

4.5M pairs and 37,000 pieces that both languages share; all else is as in wmt14_en_fr_base.py. The paper reports 27.3
BLEU on newstest2014, of tokens whose compounds were split at hyphens, which is more than sacreBLEU's of detokenised
text: of theirs, Ott et al. 2018 report 29.3 and 28.6.

`mt plan configs/wmt14_en_de_base.py --topology v5e:2x4`: 1.59 of 16 GB a core, and at least 0.73 hours for the 100,000
steps on one TPU VM of 8 cores; a pod as for French.
"""

import dataclasses
import pathlib

from mt import config


def get_config() -> config.RunConfig:
    """The config; see the top of this file."""
    base = config.read(pathlib.Path(__file__).with_name("wmt14_en_fr_base.py"))
    return dataclasses.replace(
        base,
        tokenizer=dataclasses.replace(base.tokenizer, vocab_size=37_000),
        data=dataclasses.replace(base.data, target_language="de", train=("wmt14_translate/de-en",)),
    )
