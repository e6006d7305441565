"""What passes through a translation untouched."""

import pytest

from mt.data.marian_tokenizer import MarianTokenizer
from mt.decoding.constraints import Constrainer, Constraints
from mt.decoding.keeping import find, hide
from mt.errors import UserError


@pytest.mark.parametrize(
    "kind, text, found",
    [
        ("placeholders", "{0} of {total}, {{name}}: ${x} %{y}", ["{0}", "{total}", "{{name}}", "${x}", "%{y}"]),
        ("placeholders", "%s, %d%%, %1$s and %(name)s, %.2f %-5ld %@", "%s %d%% %1$s %(name)s %.2f %-5ld %@".split()),
        (
            "placeholders",
            "%ds, %dx%d, 100%%, %PATH%, {n, plural, one {# x} other {# y}}",
            ["%d", "%%", "%PATH%", "{n, plural, one {# x} other {# y}}"],
        ),
        ("placeholders", "100% sure, 5% of it, 50%", []),
        ("urls", "See https://a.org/b?c=d&e, (http://x.y/z).", ["https://a.org/b?c=d&e", "http://x.y/z"]),
        ("urls", "Mail me@here.example.org. Or www.a.b!", ["me@here.example.org", "www.a.b"]),
        (
            "emoji",
            "Fine 😀👍🏽, 👩‍👩‍👧 🇫🇷 1️⃣ ☀️ © 🏴\U000e0067\U000e0062\U000e007f a # 1",
            ["😀👍🏽", "👩‍👩‍👧", "🇫🇷", "1️⃣", "☀️", "©", "🏴\U000e0067\U000e0062\U000e007f"],
        ),
        ("unknown", "I say 你好 to Tom", ["你好"]),
        ("unknown", "5€ for R‰D, don't: 3 « 4.", ["5€", "R‰D", "«"]),
    ],
)
def test_what_is_found(kind, text, found):
    assert find(text, [kind], lambda word: not word.isascii()) == tuple(found)
    assert find(text, []) == ()


def test_what_is_kept_anyway_is_no_part_of_another():
    assert find("\ue000. 5€", ["unknown"], lambda word: not word.isascii()) == ("\ue000.", "5€")
    assert find("\ue000. 5€", ["unknown"], lambda word: not word.isascii(), ["\ue000"]) == ("5€",)


def test_what_is_hidden_is_shown_again():
    hidden = hide("Ask X or {0} for {0}s, {1} and http://a.b/c.", ["{0}", "http://a.b/c"], "XYZ", "{{{}}}")
    assert hidden.text == "Ask X or Y for {0}s, {1} and Z."
    assert hidden.shown("{0}s: Z, Y?") == "{0}s: http://a.b/c, {0}?"
    assert hide("a cat in a category", ["cat", "cat in"], "XYZ", "<{}>").text == "a X a category"
    assert not hidden.says_nothing and hide("{0}: %s", ["{0}", "%s"], "XY", "<{}>").says_nothing


def test_a_translation_has_each_as_often_as_the_source(tiny_translator):
    texts = ["Go to {0}, {0} or 你好.", "He is here 😀", "{0} – %s", "I have a cat. " * 20 + "{0} %s {0}"]
    keep = ("{0}", "%s", "你好", "😀")
    found = tiny_translator.n_best(texts, 3, [Constraints(keep=keep)] * len(texts))
    assert [each.text for each in found[2]] == [texts[2]]
    for text, translations in zip(texts, found):
        for each in translations:
            assert each.warnings == () or "unmet" not in each.warnings
            assert [each.text.count(part) for part in keep] == [text.count(part) for part in keep]
    # By themselves and together, and whatever else is asked.
    for text, translations in zip(texts[:2], found):
        [again] = tiny_translator.n_best([text], 3, [Constraints(keep=keep)])
        assert [each.text for each in again] == [each.text for each in translations]
    [both] = tiny_translator.translate(["Go, %s"], [Constraints("Va", (("chat",),), keep=("%s",))])
    assert both.startswith("Va") and "chat" in both and both.count("%s") == 1


def test_a_vocabulary_without_brackets_is_refused(marian_tokenizer_files):
    pieces = {"▁a": 0, "a": 1, "</s>": 2, "<unk>": 3, "<pad>": 4}
    constrainer = Constrainer(MarianTokenizer(marian_tokenizer_files["target.spm"], pieces, "target.spm"))
    assert constrainer.hide("a b", ()).text == "a b"
    with pytest.raises(UserError, match="brackets"):
        constrainer.hide("a {0}", ["{0}"])
