"""Neural machine translation in JAX and Flax."""

from mt.decoding.translator import Translator
from mt.version import __version__

__all__ = ["Translator", "__version__"]
