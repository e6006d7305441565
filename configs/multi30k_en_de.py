"""Multi30k, English to German: the settings of multi30k_en_fr.py.

    mt train configs/multi30k_en_de.py --workdir runs/multi30k_en_de
    mt evaluate runs/multi30k_en_de --moses

Transformer-Tiny reports 41.02 BLEU on test_2016_flickr, as for French. One seed, 9,000 updates in 134 minutes on one
core:

                          BLEU by --moses   BLEU (13a, cased)   chrF2
    val                             42.38   42.22               64.83   (greedy, 500 sentences: 40.4)
    test_2016_flickr                41.63   41.30               65.54
"""

import dataclasses
import pathlib

from mt import config


def get_config() -> config.RunConfig:
    """The config; see the top of this file."""
    french = config.read(pathlib.Path(__file__).with_name("multi30k_en_fr.py"))
    return dataclasses.replace(french, data=dataclasses.replace(french.data, target_language="de"))
