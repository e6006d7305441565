"""The big model of "Attention Is All You Need" (table 3) on WMT 2014 English to German.

    mt train configs/wmt14_en_de_big.py --workdir runs/en_de_big                   # one TPU VM; on a pod, on each host
    mt average runs/en_de_big runs/en_de_big_mean --last 20

The paper reports 28.4 BLEU on newstest2014 after 300,000 steps. Data and how to compare are those of
wmt14_en_de_base.py, model and training those of wmt14_en_fr_big.py but for its dropout of 0.3 (table 3).

`mt plan configs/wmt14_en_de_big.py --topology v5e:2x4`: 4.7 of 16 GB a core, and at least 6 hours for the 300,000 steps
on one TPU VM of 8 cores; a pod as for French.
"""

import dataclasses
import pathlib

from mt import config


def get_config() -> config.RunConfig:
    """The config; see the top of this file."""
    base, big = (
        config.read(pathlib.Path(__file__).with_name(f"wmt14_{name}.py")) for name in ("en_de_base", "en_fr_big")
    )
    return dataclasses.replace(
        base,
        model=dataclasses.replace(big.model, dropout=0.3),
        optimizer=big.optimizer,
        training=big.training,
    )
