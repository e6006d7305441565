"""`tatoeba_en_fr`: everyday English sentences and their French, shipped with the package."""

import pathlib

import tensorflow_datasets as tfds

from mt.data.text import read_lines

LANGUAGES = ("en", "fr")


class TatoebaEnFr(tfds.core.GeneratorBasedBuilder):
    """146,499 / 2,000 / 2,000 pairs; see LICENSE.txt for origin and licence."""

    VERSION = tfds.core.Version("1.0.0")

    def _info(self) -> tfds.core.DatasetInfo:
        return tfds.core.DatasetInfo(
            builder=self,
            description="English-French sentence pairs from tatoeba.org, by way of manythings.org/anki.",
            features=tfds.features.Translation(LANGUAGES),
            supervised_keys=LANGUAGES,
            homepage="https://tatoeba.org",
            license="CC BY 2.0 FR",
        )

    def _split_generators(self, dl_manager):
        return {split: self._generate_examples(split) for split in ("train", "dev", "test")}

    def _generate_examples(self, split):
        folder = pathlib.Path(__file__).parent
        sides = (read_lines(folder / f"{split}.{language}.xz") for language in LANGUAGES)
        for number, pair in enumerate(zip(*sides, strict=True)):
            yield number, dict(zip(LANGUAGES, pair))
