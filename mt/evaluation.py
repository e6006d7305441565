"""Corpus metrics by sacreBLEU (Post 2018) on detokenised text, with their signatures: BLEU and chrF cased, TER not."""

from collections.abc import Sequence

import sacrebleu


def score(hypotheses: Sequence[str], references: Sequence[str]) -> dict[str, dict[str, float | str]]:
    """BLEU, chrF2 and TER of translations against one reference each.

    Returns:
        A metric's name to its "score" (0 to 100; TER: the lower the better) and "signature".
    """
    found: dict[str, dict[str, float | str]] = {}
    for metric in (sacrebleu.BLEU(), sacrebleu.CHRF(), sacrebleu.TER()):
        result = metric.corpus_score(list(hypotheses), [list(references)])
        name = {"chrF2": "chrF"}.get(result.name, result.name)
        found[name] = {"score": round(result.score, 4), "signature": str(metric.get_signature())}
    return found


def bleu(hypotheses: Sequence[str], references: Sequence[str]) -> float:
    """BLEU alone, from 0 to 100."""
    return sacrebleu.corpus_bleu(list(hypotheses), [list(references)]).score
