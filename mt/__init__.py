"""Neural machine translation in JAX and Flax."""

from mt.decoding.constraints import Constraints
from mt.decoding.sampling import SamplingConfig
from mt.decoding.translator import Translator
from mt.version import __version__

__all__ = ["Constraints", "SamplingConfig", "Translator", "__version__"]
