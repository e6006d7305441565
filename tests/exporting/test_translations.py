"""Other toolkits translate with an export as we do. In one file, as both take the same trained model."""

import pytest

from mt import cli
from tests.exporting.reference import SENTENCES, check_same, ctranslate2, hugging_face

pytestmark = pytest.mark.thorough


@pytest.mark.parametrize(("form", "engine"), [("marian", hugging_face), ("ctranslate2", ctranslate2)])
def test_it_translates_as_we_do(trained_run, tmp_path, form, engine):
    pytest.importorskip({"marian": "transformers"}.get(form, form), reason=f"what reads {form} is not installed")
    assert cli.main(["export", str(trained_run), str(tmp_path / "out"), "--format", form]) == 0
    check_same(trained_run, *engine(tmp_path / "out", SENTENCES))
