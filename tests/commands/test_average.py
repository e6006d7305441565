"""The mean of checkpoints is their mean, and a run like any other."""

import shutil

import jax
import numpy as np
import pytest

from mt import checkpoint, cli, trained
from tests.test_cli import tiny_run_arguments


@pytest.fixture(scope="module")
def run(corpus_folder, tmp_path_factory):
    folder = tmp_path_factory.mktemp("average") / "run"
    assert cli.main([*tiny_run_arguments(corpus_folder, 9), "--workdir", str(folder)]) == 0
    return folder


@pytest.mark.parametrize("option", [(), ("--last", "2"), ("--best", "2")])
def test_the_mean_of_the_last_or_best(run, tmp_path, option, corpus_folder, capsys):
    out = tmp_path / "out"
    assert cli.main(["average", str(run), str(out), *option]) == 0
    steps = {(): [3, 6, 9], ("--last", "2"): [6, 9], ("--best", "2"): checkpoint.ranked(run)[:2]}[option]
    expected = [trained.load(run, str(step)).params for step in steps]
    found = trained.load(out).params
    for leaf, *leaves in zip(jax.tree.leaves(found), *map(jax.tree.leaves, expected), strict=True):
        np.testing.assert_allclose(leaf, np.mean(leaves, axis=0), atol=1e-7)
    if not option:
        assert cli.main(["evaluate", str(out), "--split", "dev"]) == 0
        assert cli.main([*tiny_run_arguments(corpus_folder, 12), "--workdir", str(out)]) == 2
        assert f"--start-from {out}" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--last", "9"), "has 3 checkpoints kept, not 9"),
        (("--last", "1", "--best", "1"), "give one of them"),
        (("--last", "-1"), "is negative"),
    ],
)
def test_what_cannot_be_averaged_is_said(run, tmp_path, capsys, options, said):
    assert cli.main(["average", str(run), str(tmp_path / "out"), *options]) == 2
    assert said in capsys.readouterr().err and not (tmp_path / "out").exists()


def test_where_nothing_is_saved_it_is_said(run, tmp_path, capsys):
    shutil.copytree(run, tmp_path / "run", ignore=shutil.ignore_patterns("checkpoints"))
    assert cli.main(["average", str(tmp_path / "run"), str(tmp_path / "out")]) == 2
    assert "no checkpoint yet" in capsys.readouterr().err


def test_a_model_that_ships_has_nothing_to_average(tmp_path, capsys):
    assert cli.main(["average", "en_fr_small", str(tmp_path / "out")]) == 2
    assert "is a bundle, which holds one checkpoint alone" in capsys.readouterr().err
