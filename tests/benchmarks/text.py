"""One engine translating a file into a file, from lines to lines; run by the Python that has the engine.

    python tests/benchmarks/text.py ENGINE --model DIR --vocabulary FILE --source FILE --output FILE [--beam 5]

DIR is a run of ours for "mt", a MarianMT folder for "hf", a CTranslate2 folder for "ct2-f32" and "ct2-int8". Prints
the seconds of a second pass over the file: loading and compiling are measured elsewhere.
"""

import argparse
import functools
import pathlib
import sys
import time

import sentencepiece


def ctranslate2_engine(options, kind):
    """Two translators of one thread each."""
    import ctranslate2

    translator = ctranslate2.Translator(
        str(options.model), compute_type=kind, inter_threads=2, intra_threads=1, max_queued_batches=-1
    )

    def translate(lines):
        sources = vocabulary.encode(lines, out_type=str)
        found = translator.translate_batch(sources, beam_size=options.beam, max_batch_size=options.batch)
        return vocabulary.decode([each.hypotheses[0] for each in found])

    return translate


def hf_engine(options):
    """Two threads; sentences of like length together."""
    import torch
    from transformers import MarianMTModel

    torch.set_num_threads(2)
    model = MarianMTModel.from_pretrained(options.model).eval()
    end, padding = vocabulary.eos_id(), vocabulary.pad_id()
    unseen = {end, padding, vocabulary.bos_id()}

    def translate(lines):
        sources = [ids + [end] for ids in vocabulary.encode(lines)]
        order = sorted(range(len(lines)), key=lambda number: len(sources[number]))
        found = [""] * len(lines)
        for start in range(0, len(order), options.batch):
            rows = order[start : start + options.batch]
            width = max(len(sources[number]) for number in rows)
            tokens = torch.tensor([sources[number] + [padding] * (width - len(sources[number])) for number in rows])
            with torch.inference_mode():
                answers = model.generate(
                    tokens,
                    attention_mask=(tokens != padding).long(),
                    num_beams=options.beam,
                    length_penalty=1.0,
                    max_length=None,
                    early_stopping=False,
                    forced_eos_token_id=None,
                    max_new_tokens=2 * width + 10,
                )
            for number, row in zip(rows, answers.tolist()):
                found[number] = vocabulary.decode([token for token in row if token not in unseen])
        return found

    return translate


def mt_engine(options):
    """As `mt translate` does."""
    sys.path.insert(0, str(pathlib.Path(__file__).parents[2]))
    from mt import parallel

    parallel.use_cores_as_devices()
    from mt import Translator

    translator = Translator.load(options.model)
    # Hypotheses are ranked by their log-probability a token, as the other two do.
    return functools.partial(
        translator.translate, beam_size=options.beam, length_penalty=1.0, length_normalization="tokens"
    )


parser = argparse.ArgumentParser()
parser.add_argument("engine", choices=["mt", "ct2-f32", "ct2-int8", "hf"])
for name in ("model", "vocabulary", "source", "output"):
    parser.add_argument(f"--{name}", type=pathlib.Path, required=True)
parser.add_argument("--beam", type=int, default=5)
parser.add_argument("--batch", type=int, default=32)
arguments = parser.parse_args()
vocabulary = sentencepiece.SentencePieceProcessor(model_file=str(arguments.vocabulary))
make = {
    "mt": mt_engine,
    "hf": hf_engine,
    "ct2-f32": functools.partial(ctranslate2_engine, kind="float32"),
    "ct2-int8": functools.partial(ctranslate2_engine, kind="int8"),
}
translate_lines = make[arguments.engine](arguments)
for _ in range(2):
    begin = time.perf_counter()
    text = arguments.source.read_text(encoding="utf-8").splitlines()
    arguments.output.write_text("\n".join(translate_lines(text)) + "\n", encoding="utf-8")
    taken = time.perf_counter() - begin
print(len(text), taken)
