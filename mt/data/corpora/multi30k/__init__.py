"""`multi30k`: descriptions of pictures in English, French and German, read from the public dataset's own files."""

import os
import pathlib

import tensorflow_datasets as tfds

from mt.data.text import find, read_lines
from mt.errors import UserError

LANGUAGES = ("en", "fr", "de")
SPLITS = ("train", "val", "test_2016_flickr")


class Multi30k(tfds.core.GeneratorBasedBuilder):
    """29,000 / 1,014 / 1,000 sentences in three languages (Elliott et al. 2016, 2017)."""

    VERSION = tfds.core.Version("1.0.0")
    MANUAL_DOWNLOAD_INSTRUCTIONS = (
        "its terms do not let it be shipped: put train, val and test_2016_flickr, each as .en.gz, .fr.gz and "
        ".de.gz, from data/task1/raw of https://github.com/multi30k/dataset into downloads/manual/multi30k of "
        "$TFDS_DATA_DIR (~/tensorflow_datasets), or into multi30k of $MT_CORPORA"
    )

    def _info(self) -> tfds.core.DatasetInfo:
        return tfds.core.DatasetInfo(
            builder=self,
            description="Task 1 of Multi30k: captions of Flickr30k and their translations.",
            features=tfds.features.Translation(LANGUAGES),
            homepage="https://github.com/multi30k/dataset",
            license="non-commercial research and education, as Flickr30k's",
        )

    def _split_generators(self, dl_manager):
        places = [pathlib.Path(dl_manager.download_dir) / "manual"]
        if shared := os.environ.get("MT_CORPORA"):
            places.insert(0, pathlib.Path(shared))
        folders = [place / "multi30k" for place in places]
        folder = next((each for each in folders if find(each / f"train.{LANGUAGES[0]}")), None)
        if folder is None:
            raise UserError(f"corpus 'multi30k': {self.MANUAL_DOWNLOAD_INSTRUCTIONS}")
        return {split: self._generate_examples(folder, split) for split in SPLITS}

    def _generate_examples(self, folder, split):
        paths = [folder / f"{split}.{language}" for language in LANGUAGES]
        for number, texts in enumerate(zip(*(read_lines(find(path) or path) for path in paths), strict=True)):
            yield number, dict(zip(LANGUAGES, texts))
