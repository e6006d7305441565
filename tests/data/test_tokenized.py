"""A tokenised corpus that was damaged on disk is made anew."""

import numpy as np
import pytest

from mt.data.datasets import Languages
from mt.data.tokenized import tokenized_corpus


def _flip(path):
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def _truncate(path):
    path.write_bytes(path.read_bytes()[:-3])


@pytest.mark.parametrize("damage", [_flip, _truncate, lambda path: path.unlink()], ids=["flipped", "short", "missing"])
def test_damage_is_noticed_and_mended(corpus_folder, tokenizers, tmp_path, damage, capsys):
    def read():
        return tokenized_corpus(str(corpus_folder), "dev", Languages("en", "fr"), tokenizers, None, tmp_path)

    before = [np.array(values) for side in read()[:2] for values in side]
    (folder,) = (tmp_path / "tokenized").iterdir()
    names = {path.name for path in folder.iterdir()} - {"made_of.json"}
    assert len(names) == 8
    for name in names:
        damage(folder / name)
        found = [values for side in read()[:2] for values in side]
        assert all(map(np.array_equal, before, found)) and f"{folder}: damaged" in capsys.readouterr().err
        read()
        assert capsys.readouterr().err == ""
