"""Corpus metrics by sacreBLEU (Post 2018) on detokenised text, with their signatures: BLEU and chrF cased, TER not."""

from collections.abc import Sequence
from typing import Any

import sacrebleu

from mt.errors import UserError

# Words that references may have on average for there to be TER, whose search for words that have moved takes minutes a
# document.
_TER_WORDS = 100


def score(hypotheses: Sequence[str], references: Sequence[str]) -> dict[str, dict[str, float | str]]:
    """BLEU, chrF2 and TER of translations against one reference each.

    Returns:
        A metric's name to its "score" (0 to 100; TER: the lower the better) and "signature"; no TER of whole documents.
    """
    metrics = {"BLEU": sacrebleu.BLEU(), "chrF": sacrebleu.CHRF()}
    if sum(len(reference.split()) for reference in references) <= _TER_WORDS * len(references):
        metrics["TER"] = sacrebleu.TER()
    return {name: _signed(metric, hypotheses, references) for name, metric in metrics.items()}


def _signed(metric: Any, hypotheses: Sequence[str], references: Sequence[str]) -> dict[str, float | str]:
    """A metric of sacreBLEU's, as "score" and "signature"."""
    result = metric.corpus_score(list(hypotheses), [list(references)])
    return {"score": round(result.score, 4), "signature": str(metric.get_signature())}


def document_bleu(
    hypotheses: Sequence[str], references: Sequence[str], documents: Sequence[int]
) -> dict[str, float | str]:
    """BLEU of whole documents, each one text (d-BLEU, Liu et al. 2020, "Multilingual Denoising Pre-training for Neural
    Machine Translation", section 4.1): n-grams may reach from one line into the next.

    Args:
        hypotheses: translations.
        references: one each.
        documents: the number of each one's document.

    Returns:
        "score" and "signature".
    """
    texts: list[dict[int, list[str]]] = [{}, {}]
    for number, *both in zip(documents, hypotheses, references, strict=True):
        for side, line in zip(texts, both):
            side.setdefault(number, []).append(line)
    return _signed(sacrebleu.BLEU(), *([" ".join(lines) for lines in side.values()] for side in texts))


def score_by(metric: str, hypotheses: Sequence[str], references: Sequence[str]) -> float:
    """One metric alone, "BLEU" or "chrF", from 0 to 100."""
    scorer = {"BLEU": sacrebleu.BLEU, "chrF": sacrebleu.CHRF}[metric]()
    return scorer.corpus_score(list(hypotheses), [list(references)]).score


def moses_bleu(hypotheses: Sequence[str], references: Sequence[str], language: str) -> dict[str, float | str]:
    """BLEU of lower-cased tokens, as papers on Multi30k give it: not comparable with that of detokenised text.

    Both sides are lower-cased, their punctuation is normalised, and they are cut into tokens by Moses' rules
    (`scripts/task1-tokenize.sh` of github.com/multi30k/dataset), here by sacremoses; the BLEU of those tokens is
    multi-bleu.perl's.

    Args:
        hypotheses: translations.
        references: one each.
        language: code of their language, whose rules are taken.

    Returns:
        "score" and "signature".

    Raises:
        UserError: sacremoses is not installed.
    """
    try:
        import sacremoses
    except ImportError:
        raise UserError("--moses: needs sacremoses; type pip install 'mt[moses]', or pip install sacremoses") from None
    normalizer, tokenizer = sacremoses.MosesPunctNormalizer(language), sacremoses.MosesTokenizer(language)

    def tokens(texts: Sequence[str]) -> list[str]:
        return [tokenizer.tokenize(normalizer.normalize(text.lower()), return_str=True) for text in texts]

    metric = sacrebleu.BLEU(tokenize="none", force=True)  # it would else warn of tokens
    result = metric.corpus_score(tokens(hypotheses), [tokens(references)])
    signature = (
        str(metric.get_signature()).replace("case:mixed", "case:lc").replace("tok:none", f"tok:moses-{language}")
    )
    return {"score": round(result.score, 4), "signature": f"{signature}|sacremoses:{sacremoses.__version__}"}
