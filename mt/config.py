"""The configuration of a whole run: the components' own configs, read from a Python file, kept as JSON."""

import dataclasses
import pathlib
import runpy
from typing import Any

from mt.data.data_config import DataConfig
from mt.data.tokenizer import TokenizerConfig
from mt.decoding.beam_search import SearchConfig
from mt.errors import UserError, nearest
from mt.models import ModelConfig
from mt.models.transformer import TransformerConfig
from mt.serialization import flatten, from_json, to_json
from mt.training.loop import TrainingConfig
from mt.training.masked_tokens import MaskingConfig
from mt.training.optimizer import OptimizerConfig

# What a run may change when it goes on: nothing of it alters what the next step computes.
_CHANGEABLE = (
    "data.dev",
    "data.test",
    "data.cache",
    "search.",
    "training.log_every",
    "training.evaluate_every",
    "training.dev_sentences",
    "training.dev_search",
    "training.keep_",
    "training.patience",
)


@dataclasses.dataclass(frozen=True)
class RunConfig:
    """Everything that makes a run.

    Attributes:
        model: sizes and options of the model.
        tokenizer: how the vocabulary is made.
        data: what is trained and evaluated on.
        optimizer: Adam or Muon, and the learning rate.
        training: how long, how often.
        masking: what BERT and XLNet must find.
        search: how translations are searched for.
        seed: of initial parameters, dropout and the order of the data.
        start_from: a run, what was exported as a bundle, or the name of a model that ships, to go on training with
            other data or another optimizer; empty begins anew. Its parameters and tokenizers are taken, and its model
            but for dropout, dtype, remat and what else no parameter depends on and a training chooses (of a Reformer
            its rounds, chunks of feed-forward and of the look at the source, and max_positions that are not learned).
            With another vocabulary (tokenizer.path), such as a wider one, the pieces that both have keep their vectors,
            and others begin anew.
        encoder_from: a run or bundle of BERT that a transformer's encoder starts from (Rothe et al. 2020); empty begins
            anew. The encoder has its form, and the translator its vocabulary.
        decoder_from: a run or bundle of GPT that its decoder starts from, but for what it looks at the source by; empty
            begins anew.
    """

    model: ModelConfig = TransformerConfig()
    tokenizer: TokenizerConfig = TokenizerConfig()
    data: DataConfig = DataConfig()
    optimizer: OptimizerConfig = OptimizerConfig()
    training: TrainingConfig = TrainingConfig()
    masking: MaskingConfig = MaskingConfig()
    search: SearchConfig = SearchConfig()
    seed: int = 0
    start_from: str = ""
    encoder_from: str = ""
    decoder_from: str = ""

    def __post_init__(self):
        parts, multiple = self.training.accumulation_steps, self.data.batching.row_multiple
        if multiple % parts:
            raise UserError(
                f"training.accumulation_steps: {parts} does not divide data.batching.row_multiple {multiple}, so "
                "batches could not be cut into so many parts"
            )
        if self.training.aligned:
            remat = getattr(self.model, "remat", None)  # there is no such choice where all is always computed anew
            if remat is None:
                raise UserError(f"training.guided_alignment: is not for {self.model.architecture}; set it to 0")
            if remat:
                raise UserError("training.guided_alignment: does not go with model.remat; set one of them to nothing")
        length = self.data.batching.row_length
        self.model.check_lengths(length if self.data.has_source else 0, length)
        if self.model.needs_source and not self.data.has_source:
            raise UserError(
                f"data.source_language: is empty, but {self.model.architecture} translates; name a language, set "
                "data.infilling.share, or take another model.architecture"
            )
        if self.training.aligned and not self.data.translates:
            raise UserError("training.guided_alignment: needs sources in another language; set it to 0")
        if self.start_from and (self.encoder_from or self.decoder_from):
            raise UserError("start_from: is a whole model; leave out encoder_from and decoder_from, or it")
        if self.masking != MaskingConfig() and self.model.objective not in ("masked_token", "permuted_token"):
            raise UserError(f"masking: nothing is masked for {self.model.architecture}; leave it out")
        if self.masking.next_sentence and self.model.objective != "masked_token":
            raise UserError(f"masking.next_sentence: is not for {self.model.architecture}; set it to 0")
        if self.masking.next_sentence and not (self.data.source_language and self.data.batching.kind == "packing"):
            raise UserError(
                "masking.next_sentence: needs pairs of lines that are packed; set data.source_language to "
                "data.target_language, and data.batching.kind to packing"
            )
        if self.training.consistency and self.model.objective != "next_token":
            raise UserError(f"training.consistency: is not for {self.model.architecture}; set it to 0")
        if self.training.loss_chunk and (self.training.consistency or self.model.objective != "next_token"):
            raise UserError("training.loss_chunk: is for the plain loss of the next token; set it to 0")
        if self.training.loss_chunk and getattr(self.model, "adaptive_cutoffs", 0):
            raise UserError("training.loss_chunk: does not go with model.adaptive_cutoffs; set one of them to nothing")
        if getattr(self.model, "memory_length", 0) and self.data.batching.kind != "documents":
            raise UserError(
                "model.memory_length: what stood before can only be remembered where batches keep its order; set "
                "data.batching.kind to documents, or "
                + ("model.architecture to transformer" if self.data.translates else "the length to 0")
            )
        if getattr(self.model, "memory_length", 0) and self.data.batching.shuffle_rows:
            raise UserError(
                "data.batching.shuffle_rows: leaves nothing that a model could remember; set it to false, or "
                "model.memory_length to 0"
            )
        if self.data.batching.backwards and self.model.objective != "permuted_token":
            raise UserError(f"data.batching.backwards: is not for {self.model.architecture}; set it to false")
        if self.training.best_by == "bleu" and not self.translates:
            raise UserError('training.best_by: there is no BLEU where nothing is translated; set it to "loss"')

    @property
    def translates(self) -> bool:
        """Whether what is trained translates, so that its translations can be compared with others."""
        return self.data.translates and self.model.objective == "next_token"

    @property
    def is_language_model(self) -> bool:
        """Whether what is trained writes text of one language."""
        return not self.data.has_source and self.model.objective == "next_token"

    @property
    def hides(self) -> bool:
        """Whether the vocabulary needs a piece for what is hidden."""
        return self.model.objective == "masked_token" or self.data.infilling.share > 0


def read(path: pathlib.Path) -> RunConfig:
    """Runs a config file, and returns what its `get_config()` returns.

    Raises:
        UserError: there is no such file, or it does not return a RunConfig.
    """
    if not path.is_file():
        there = {other.name: other for other in path.parent.glob("*.py")} if path.parent.is_dir() else {}
        raise UserError(f"{path}: no such config file{nearest(path.name, there)}; see those in configs/")
    try:
        defined = runpy.run_path(str(path))
        config = defined["get_config"]() if "get_config" in defined else None
    except (Exception, SystemExit) as error:  # whatever a user's own Python may raise
        raise UserError(f"{path}: {type(error).__name__}: {error}; mend the config file") from None
    if config is None:
        raise UserError(f"{path}: has no function get_config(); write one that returns a mt.config.RunConfig")
    if not isinstance(config, RunConfig):
        raise UserError(f"{path}: get_config() returned {type(config).__name__}; it must return a mt.config.RunConfig")
    return from_json(RunConfig, to_json(config), str(path))  # Python itself would let a field hold anything


def describe(config: RunConfig, tokenizer_sha256: str) -> dict[str, Any]:
    """What a run's config.json holds."""
    return {"format": 1, "run": to_json(config), "tokenizer_sha256": tokenizer_sha256}


def check_same(run: pathlib.Path, old: dict[str, Any], config: RunConfig) -> None:
    """Whether a run may go on with a config.

    Args:
        run: its folder.
        old: its config.json's "run".
        config: what it is asked to go on with.

    Raises:
        UserError: a field contradicts the run's.
    """
    # Fields that did not exist when it began had their defaults.
    before = flatten(to_json(from_json(RunConfig, old, str(run / "config.json"))))
    now = flatten(to_json(config))
    changeable: tuple[str, ...] = _CHANGEABLE
    if config.optimizer.schedule in ("inverse_sqrt", "constant"):
        changeable += ("training.steps",)
    different = [
        f"{name} is {before.get(name)!r} there and {now.get(name)!r} here"
        for name in sorted(before.keys() | now.keys())
        if before.get(name) != now.get(name) and not name.startswith(changeable)
    ]
    if different:
        raise UserError(
            f"{run} was trained with another config: {'; '.join(different)}. Give the same config to go on with it, "
            "or another --workdir to begin anew"
        )
