"""Multi30k, English to German: the settings of multi30k_en_fr.py.

mt train configs/multi30k_en_de.py --workdir runs/multi30k_en_de
"""

import dataclasses
import pathlib

from mt import config


def get_config() -> config.RunConfig:
    """The config; see the top of this file."""
    french = config.read(pathlib.Path(__file__).with_name("multi30k_en_fr.py"))
    return dataclasses.replace(french, data=dataclasses.replace(french.data, target_language="de"))
