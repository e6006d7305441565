"""TensorFlow as this package uses it: for its data pipelines and event files, quietly, and never on an accelerator."""

import logging
import os
from typing import Any


def import_tensorflow() -> Any:
    """The module, imported only when it is needed: that takes seconds."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "0")  # of no use to a data pipeline, and it announces itself
    import tensorflow as tf

    tf.config.set_visible_devices([], "GPU")
    return tf


def import_tensorflow_datasets() -> Any:
    """The module, with the corpora that this package brings registered."""
    import_tensorflow()
    import tensorflow_datasets as tfds
    from tensorflow_datasets.core.download import downloader

    import mt.data.corpora.multi30k
    import mt.data.corpora.tatoeba_en_fr  # noqa: F401

    # A download that fails is said once, by who asked for it.
    logging.getLogger("urllib3").setLevel(logging.ERROR)
    # Ten, each after twice the pause of the one before, keep a machine without a network waiting for minutes.
    downloader.MAX_RETRIES = 4
    # Without this, TFDS asks a bucket on the network about every dataset, even about a local one.
    tfds.core.utils.gcs_utils._is_gcs_disabled = True
    return tfds
