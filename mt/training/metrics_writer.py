"""Metrics of a run: TensorBoard files by tf.summary, and one JSON object a line in metrics.jsonl."""

import json
import math
import pathlib
from collections.abc import Mapping

from mt.data.tensorflow import import_tensorflow

METRICS = "metrics.jsonl"


class MetricsWriter:
    """Appends to a run's metrics; a resumed run goes on in the same files."""

    def __init__(self, run: pathlib.Path):
        """Args:
        run: the run's folder.
        """
        tf = import_tensorflow()
        self._summary = tf.summary
        self._file = open(run / METRICS, "a", encoding="utf-8")
        self._writer = tf.summary.create_file_writer(str(run / "tensorboard"))

    def write(self, step: int, metrics: Mapping[str, float]) -> None:
        """Adds named numbers at a step."""
        known = {name: value if math.isfinite(value) else None for name, value in metrics.items()}  # JSON has no NaN
        self._file.write(json.dumps({"step": step, **known}) + "\n")
        self._file.flush()
        with self._writer.as_default(step):
            for name, value in metrics.items():
                self._summary.scalar(name, value)

    def close(self) -> None:
        """Writes what is still held back."""
        self._file.close()
        self._writer.close()
