"""A MarianMT model of ours for CTranslate2; run by the Python that has both.

python tests/benchmarks/convert.py HF VOCABULARY CT2

CTranslate2's own converter takes a Marian decoder to begin from a vector of zeros, as Marian's do; ours begin from the
row of their first token.
"""

import pathlib
import sys

import sentencepiece
from ctranslate2.converters.transformers import BartLoader
from transformers import MarianMTModel

source, vocabulary, target = sys.argv[1:]
vocabulary = sentencepiece.SentencePieceProcessor(model_file=vocabulary)
model = MarianMTModel.from_pretrained(source)
model.config.normalize_before = model.config.normalize_embedding = False
spec = BartLoader().get_model_spec(model)
pieces = [*map(vocabulary.id_to_piece, range(len(vocabulary)))]
spec.register_source_vocabulary(pieces)
spec.register_target_vocabulary(pieces)
spec.config.decoder_start_token = spec.config.bos_token = vocabulary.id_to_piece(vocabulary.bos_id())
spec.config.eos_token = vocabulary.id_to_piece(vocabulary.eos_id())
spec.config.unk_token = vocabulary.id_to_piece(vocabulary.unk_id())
spec.validate()
spec.optimize()
pathlib.Path(target).mkdir()
spec.save(target)
