"""Who may import whom, and who alone may import what."""

import ast
import os
import pathlib
import subprocess
import sys

import pytest

from tests.conftest import ROOT

# Lower may not import higher; parts of one line may not import each other.
LAYERS = [
    {"allocator", "errors", "version"},
    {"files", "arguments", "checksums"},
    {"serialization"},
    {"data"},
    {"layers"},
    {"models"},
    {"parallel", "tracing", "quantization", "manifest"},
    {
        "decoding.__init__",
        "decoding.keeping",
        "decoding.top_k",
        "decoding.splitting",
        "decoding.repetition",
        "decoding.minimum_risk",
    },
    {"decoding.batches", "decoding.automata"},
    {"decoding.selection", "decoding.ensemble", "decoding.fusion", "decoding.continuing", "decoding.remembering"},
    {"decoding.alignment"},
    {"decoding.rules", "decoding.continuations", "decoding.coverage"},
    {"decoding.beam_search", "decoding.scoring", "decoding.constraints"},
    {"decoding.sampling", "decoding.turns"},
    {"decoding.document_scoring"},
    {"decoding.reader"},
    {"decoding.batched_search"},
    {"decoding.translation"},
    {"checkpoint", "pretrained"},
    {"bundles"},
    {"trained"},
    {"decoding.translator", "decoding.generator"},
    {"documents", "evaluation"},
    {"training"},
    {"config"},
    {"initialization", "assembly"},
    {"benchmarks", "planning", "exporting", "pictures"},
    {"importing"},
    {"commands"},
    {"cli", "__init__"},
    {"__main__"},
]
FILES = sorted((ROOT / "mt").rglob("*.py"))


def _name(path: pathlib.Path) -> str:
    return ".".join(path.relative_to(ROOT / "mt").with_suffix("").parts)


def _layer(name: str) -> int:
    found = [n for n, group in enumerate(LAYERS) for part in group if name == part or name.startswith(f"{part}.")]
    assert len(found) == 1, f"{name} has no place in LAYERS"
    return found[0]


def _imports(path: pathlib.Path) -> set[str]:
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            found |= {f"{node.module}.{alias.name}" for alias in node.names}
    return found


def _module(dotted: str) -> str:
    """The module of `mt` that an import is of: the name itself, or what it is taken from."""
    path = ROOT.joinpath(*dotted.split("."))
    is_module = path.with_suffix(".py").is_file() or path.is_dir()
    return (dotted if is_module else dotted.rsplit(".", 1)[0]).removeprefix("mt.")


@pytest.mark.parametrize("path", FILES, ids=_name)
def test_imports_go_one_way(path):
    name = _name(path)
    for imported in _imports(path):
        if imported.startswith("mt."):
            module = _module(imported)
            same_package = module.split(".")[0] == name.split(".")[0]
            assert _layer(module) < _layer(name) or (same_package and _layer(module) == _layer(name)), imported


@pytest.mark.parametrize("part", ["data", "parallel", "training", "decoding", "assembly", "evaluation", "benchmarks"])
def test_no_model_is_known_by_its_name_to_what_trains_searches_or_feeds_it(part):
    models = {_name(path) for path in FILES if _name(path).startswith("models.")} - {"models.interface"}
    of_models = [node for path in (ROOT / "mt" / "models").glob("*.py") for node in ast.parse(path.read_text()).body]
    names = {node.name for node in of_models if isinstance(node, ast.ClassDef)} | {
        field.value.value
        for node in of_models
        if isinstance(node, ast.ClassDef)
        for field in node.body
        if isinstance(field, ast.AnnAssign) and getattr(field.target, "id", "") == "architecture"
        if isinstance(field.value, ast.Constant)
    }
    assert {"xlnet", "gpt", "reformer_lm", "Xlnet", "GptConfig"} <= names
    names -= {"Searchable", "Text", "Order"}  # the interface's own
    paths = [path for path in FILES if _name(path) == part or _name(path).startswith(f"{part}.")]
    assert paths
    for path in paths:
        assert not {_module(name) for name in _imports(path) if name.startswith("mt.")} & models, path
        for node in ast.walk(ast.parse(path.read_text())):
            assert getattr(node, "id", None) not in names and getattr(node, "attr", None) not in names, path
            assert not isinstance(node, ast.Constant) or node.value not in names, path


def test_pmap_is_in_one_file():
    users = {_name(path) for path in FILES if "pmap(" in path.read_text()}
    assert users == {"parallel"}


def test_tensorflow_is_imported_under_data_alone():
    users = {_name(path) for path in FILES if any(name.startswith("tensorflow") for name in _imports(path))}
    assert users and all(name.startswith("data.") for name in users)
    through = {_name(path) for path in FILES if any("import_tensorflow" in name for name in _imports(path))}
    assert {name for name in through if not name.startswith("data.")} == {
        "training.metrics_writer",
        "exporting.saved_model",
    }


def test_no_file_holds_more_than_one_concept():
    assert {_name(path) for path in FILES if len(path.read_text().splitlines()) > 400} == set()


def test_translating_and_scoring_import_neither_tensorflow_nor_optax():
    program = (
        "import sys, mt.cli, mt.commands.translate, mt.commands.score, orbax.checkpoint; from mt import Translator\n"
        "print([name for name in ('tensorflow', 'tensorflow_datasets', 'optax') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, env=os.environ, check=True)
    assert done.stdout.strip() == "[]"
