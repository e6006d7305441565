"""All of a document stays as it is, but its text."""

import html.parser
import pathlib
import re

import polib
import pytest
import srt
from hypothesis import given, settings
from hypothesis import strategies as st
from lxml import etree

from mt import cli, pretrained
from mt.decoding.translation import Translation
from mt.documents import formats, html, markdown, messages, subtitles, text, translation_memory
from mt.documents.segments import Segment
from mt.documents.template import Template
from mt.documents.translating import SegmentTranslator
from mt.errors import UserError
from tests.conftest import ROOT
from tests.documents.samples import CUES, LETTER, NOTES, PAGE, PO, TMX


def shouted(document) -> str:
    """A document with its text in capitals, as a translation that leaves no doubt of what it has touched."""
    return document.filled([segment._replace(text=segment.text.upper()) for segment in document.segments])


def same(document) -> str:
    return document.filled(document.segments)


def test_html_keeps_all_but_what_is_read():
    assert same(html.read(PAGE)) == PAGE.replace("value=Send", 'value="Send"')
    found = shouted(html.read(PAGE))
    for kept in ("p { color: red }", 'alert("hello")', "<!-- a comment -->", 'class="x"', "<code>x &lt; y</code>"):
        assert kept in found
    for kept in ("  do not   touch", '<span class="notranslate">Tom</span>', "Leave <b>this</b>.", "width=device"):
        assert kept in found
    for read in ("ABOUT CATS &amp; DOGS", "<title>CATS<", "<b>BLACK</b>", "&lt; THERE", 'title="MY FRIEND">MARY</a>'):
        assert read in found
    for read in (
        "alt='A \"SMALL\" CAT'",
        "<strong>CAR</strong>",
        "<div>CLICK.</div>",
        'value="SEND"',
        "LEFT OPEN",
    ):
        assert read in found
    assert shouted(html.read("""<p title="'so' & so">""")) == """<p title="'SO' &amp; SO">"""
    # Bare signs stay bare where the source has no references.
    assert shouted(html.read("a & b < 5 <i>c</i>")) == "A & B < 5 <i>C</i>"


PARTS = "<b> </b> <i> </i> <em> </em> <p> </p> <br> <code> </code> x &amp; < & &lt; <!--c--> </a>".split()
PARTS += ["<script>a<b</script>", "<![CDATA[x]]>"]


@settings(deadline=None, max_examples=300)
@given(st.lists(st.sampled_from([*PARTS, '<a title="t">', " ", "\n", "\0"])))
def test_any_html_is_written_as_it_was(parts):
    page = "".join(parts)
    found = same(html.read(page))
    assert re.findall(r"<[^<>]+>", found) == re.findall(r"<[^<>]+>", page)
    assert html_text(found) == html_text(page.replace("\0", "\ufffd"))


def test_tags_that_overlap_stay_in_their_sentence():
    (segment,) = html.read("<p>The <b>black <i>cat</b> is</i> here.</p>").segments
    assert segment.text == "The black cat is here."
    assert shouted(html.read("<b>a <em>b</b> c</em>")) == "<b>A <em>B</b> C</em>"
    assert shouted(markdown.read("<div>\nx <b>a <i>b</b> c</i> d\n</div>")) == "<div>\nX <b>A <i>B</b> C</i> D\n</div>"


def html_text(page: str) -> str:
    found: list[str] = []
    parser = html.html.parser.HTMLParser()
    parser.handle_data = found.append
    parser.feed(page)
    parser.close()
    return "".join(found)


def test_markdown_keeps_all_but_its_prose():
    assert same(markdown.read(NOTES)) == NOTES
    found = shouted(markdown.read(NOTES))
    assert found.splitlines()[:4] == ["---", "title: Hello", "---", "# THE *BLACK* CAT"]
    for kept in (
        '(http://a.b/c "MY CAR")',
        "`mt translate  --help`",
        "<https://a.b>",
        "[ref]",
        "<b>RAINING</b>",
        r"\*",
    ):
        assert kept in found
    for kept in (
        "<kbd>Ctrl</kbd>  \nYES.",
        "> [!NOTE]\n> I LOVE YOU.",
        "- [ ] OPEN ![A DOOR](d.png)\n  1. TWO DOGS[^1]",
    ):
        assert kept in found
    for kept in ("| NAME | WHAT \\| WHICH |\n|---|:-:|\n| `a\\|b` | THE **FISH** |", 'print("hello")', "$a*b$"):
        assert kept in found
    assert '<p align="center">THE DOG. <img alt="A DOG"></p>' in found and "[^1]: A SMALL DOG." in found


def meaning(document: str) -> list[tuple]:
    """Markdown's blocks and, of what is in them, all but how lines are wrapped."""
    found = []
    for token in markdown._parser().parse(document):
        found.append((token.type, token.markup, token.info, "" if token.type == "inline" else token.content))
        words: list[str] = []
        for child in token.children or []:
            if child.type in ("text", "softbreak"):
                words.append(child.content or " ")
            else:
                words.append(f"<{child.type} {sorted(child.attrs.items())} {child.content}>")
        found.append(" ".join("".join(words).split()))
    return found


@pytest.mark.parametrize(
    "tag, expected",
    [
        ('<html lang="en">', '<html lang="fr">'),
        ("<html xml:lang='en-GB' lang=EN dir=ltr>", "<html xml:lang='fr' lang=fr dir=ltr>"),
        ('<html lang="de">', '<html lang="de">'),
        ('<html data-lang="en">', '<html data-lang="en">'),
        ('<html><q lang="en">', '<html><q lang="en">'),
    ],
)
def test_a_page_says_its_new_language(tag, expected):
    found = html.read(f"{tag}<p>Yes</p>", None, "en", "fr")
    assert found.filled(found.segments) == f"{expected}<p>Yes</p>"
    assert same(html.read(f"{tag}<p>Yes</p>")) == f"{tag}<p>Yes</p>"


def test_what_a_picture_shows_is_read_though_it_stands_alone():
    assert shouted(markdown.read('![A cat](cat.png "My cat")\n')) == '![A CAT](cat.png "MY CAT")\n'
    assert same(markdown.read("![](cat.png)\n")) == "![](cat.png)\n"


def test_what_markdown_means_stays():
    for path in [ROOT / "README.md", ROOT / "CHANGELOG.md", *ROOT.glob("mt/pretrained/*.md")]:
        document = path.read_text("utf-8")
        assert meaning(same(markdown.read(document))) == meaning(document)


@pytest.mark.parametrize(
    "word", ["1.", "-", "#", ">", "===", "*a*", "[a]", "`a`", "<b>", "&amp;", "a|b", "+", "_a_", "~~a~~"]
)
def test_text_is_not_taken_for_markup(word):
    for document in (
        "word\n",
        "- word\n",
        "# word\n",
        "a word " * 30 + "\n" + "a word " * 10 + "\n",
        "|a|\n|-|\n|word|\n",
    ):
        template = markdown.read(document)
        found = template.filled([s._replace(text=s.text.replace("word", word)) for s in template.segments])
        kinds = [[token.type for token in markdown._parser().parse(each)] for each in (found, document)]
        assert kinds[0] == kinds[1]
        assert word in "".join(
            child.content or " " for token in markdown._parser().parse(found) for child in token.children or []
        )


def test_plain_text_keeps_its_shape():
    assert same(text.read(LETTER)) == LETTER and shouted(text.read(LETTER)) == LETTER.upper()
    assert [segment.text for segment in text.read(LETTER).segments][
        3
    ] == "Two dogs in the garden of my best friend, who has a car"
    long = text.read(LETTER).filled([s._replace(text=s.text + " and more" * 9) for s in text.read(LETTER).segments])
    assert max(map(len, long.split("Main")[0].split("12")[0].splitlines()[2:7])) <= 53


def test_short_lines_are_not_a_paragraph():
    assert [segment.text for segment in text.read("Error!\nFile not found.\nPlease try again later.").segments] == [
        "Error!",
        "File not found.",
        "Please try again later.",
    ]


def test_subtitles_keep_their_times():
    assert same(subtitles.read(CUES)).replace("\n", " ") == CUES.replace("\n", " ")
    found = list(srt.parse(shouted(subtitles.read(CUES))))
    assert [cue.content.replace("\n", " ") for cue in found] == [
        "WHERE IS THE <i>STATION</i>, MY FRIEND?",
        "- HELLO, TOM! - {\\an8}I LOVE YOU & <b>HER.",
        "\u266a",
    ]
    for cue, source in zip(found, srt.parse(CUES)):
        assert (cue.index, cue.start, cue.end, cue.proprietary) == (
            source.index,
            source.start,
            source.end,
            source.proprietary,
        )
        assert cue.content.count("\n") == source.content.count("\n")
    spread = (
        "1\n0:00:01.000 --> 0:00:02.00\n3\n\n\n\n2\n0:00:03,0 --> 0:00:04,0\n\n3\n0:00:05,0 --> 0:00:06,0\nOne\n\ntwo."
    )
    assert shouted(subtitles.read(spread)) == spread.replace("One", "ONE").replace("two", "TWO")
    for end in ("", "\n", "\n\n"):
        cue = "1\n00:00:01,000 --> 00:00:02,000\nHello." + end
        assert same(subtitles.read(cue)) == cue


def test_messages_without_a_translation_are_given_one():
    assert len(messages.read(PO).segments) == 4
    before, after = polib.pofile(PO), polib.pofile(shouted(messages.read(PO)))
    assert [entry.msgstr for entry in after] == ["THE <b>FILE</b> %S IS THERE.\n", "", "Ouais", "vieux"]
    assert after[1].msgstr_plural == {0: "ONE", 1: "MANY", 2: "MANY"}
    for old, new in zip(before, after):
        for field in ("msgid", "msgid_plural", "msgctxt", "comment", "occurrences", "flags", "obsolete"):
            assert getattr(old, field) == getattr(new, field)
    header = 'msgid ""\nmsgstr "Language: fr\\n"\n\n'
    lines = header + 'msgid ""\n"Name:\\n"\n"Place of birth:"\nmsgstr ""\n"NAME:\\n"\n"PLACE OF BIRTH:"\n'
    assert shouted(messages.read(lines.replace('"NAME:\\n"\n"PLACE OF BIRTH:"\n', ""))) == lines


def test_the_lines_of_a_po_file_stay_but_for_those_of_the_translations_that_it_lacks():
    odd = """

#:   a.c:1  b.c:2
#| msgid "old"
msgid   "A long "
  "line, wrapped by nobody's rules, and by no library that would wrap it again at seventy-eight characters of width."

msgstr   ""
""

msgctxt "x"
msgid "done"
msgstr "fait"   
#~ msgid   "gone"
#~ msgstr ""
"""
    kept = odd.replace('msgstr   ""\n""\n', "{}")
    assert shouted(messages.read(odd)) == kept.format(
        'msgstr ""\n"A LONG LINE, WRAPPED BY NOBODY\'S RULES, AND BY NO LIBRARY THAT WOULD WRAP IT"\n'
        '" AGAIN AT SEVENTY-EIGHT CHARACTERS OF WIDTH."\n'
    )


@pytest.mark.parametrize(
    "entry, source, translation, written",
    [
        ("_File", "File", "Fichier", "_Fichier"),
        ("Save &As…", "Save As…", "Enregistrer sous…", "&Enregistrer sous…"),
        ("_Save All", "Save All", "Tout sauver", "Tout _sauver"),
        ("E_xit", "Exit", "Fermer", "_Fermer"),
        ("R&D", "R&D", "R&D", "R&D"),
        ("snake_case", "snake_case", "snake_case", "snake_case"),
        ("_A or _B", "_A or _B", "_A ou _B", "_A ou _B"),
        ("A &copy; sign", "A &copy; sign", "Un signe &copy;", "Un signe &copy;"),
        ("The name _x of what is private", None, None, None),
    ],
)
def test_a_menu_keeps_its_accelerators(entry, source, translation, written):
    found = messages.read(f'msgid "{entry}"\nmsgstr ""\n')
    assert [segment.text for segment in found.segments] == [source or entry]
    said = polib.pofile(found.filled([Segment(translation or entry)]))[0].msgstr
    assert said == (written or entry)


def test_units_without_the_target_language_are_given_it():
    found = shouted(translation_memory.read(TMX, "en", "fr"))
    added = """      <tuv xml:lang="fr">
        <seg>A <bpt i="1">&lt;b&gt;</bpt>BLACK<ept i="1">&lt;/b&gt;</ept> <hi>CAT</hi> &amp; <ph x="1">{0}</ph>.</seg>
      </tuv>
"""
    assert added in found
    assert found.replace(added, "").replace("<seg>NO.</seg>", "<seg/>") == TMX
    assert etree.fromstring(found.encode()) is not None


@pytest.mark.parametrize(
    "format_, content, said",
    [
        ("srt", "Hello\n", "not subtitles"),
        ("po", "hello", "not a PO file"),
        ("po", 'msgid "a"\nmsgst "b"\n', "not a PO file"),
        ("po", 'msgid "a"\n', "line 1: the message has no msgstr"),
        ("po", 'msgid "The cat\nmsgstr ""\n', "line 1: a quote is not closed"),
        ("po", 'msgid "a\\q"\nmsgstr ""\n', "line 1: .* what follows a backslash means nothing"),
        ("po", 'msgid "a"\nmsgstr ""\n\nmsgid "a"\nmsgstr ""\n', "msgid 'a' was there before"),
        ("markdown", "> " * 5000 + "Hello.", "nested more than 98 deep"),
        ("tmx", "<tmx><body>", "not XML"),
        ("tmx", "<html/>", "not TMX"),
    ],
)
def test_what_is_not_of_the_format_is_refused(format_, content, said):
    with pytest.raises(UserError, match=said):
        formats.read(format_, content, "en", "fr")


def test_entities_of_a_stranger_are_not_followed(tmp_path):
    (tmp_path / "secret").write_text("secret")
    evil = (
        f'<!DOCTYPE tmx [<!ENTITY x SYSTEM "file://{tmp_path}/secret">]>'
        + '<tmx><body><tu><tuv xml:lang="en"><seg>a &x;</seg></tuv></tu></body></tmx>'
    )
    assert "secret<" not in same(translation_memory.read(evil, "en", "fr"))


def test_segments_are_translated_together_as_each_by_itself(tiny_translator):
    translate = SegmentTranslator(tiny_translator, ["placeholders", "urls"])
    segments = html.read(PAGE).segments
    together = translate(segments)
    for source, found in zip(segments, together):
        assert [mark[2:] for mark in found.segment.marks] == [mark[2:] for mark in source.marks]
        assert sorted(found.segment.raw.values()) == sorted(source.raw.values())
        assert translate([source])[0].segment == found.segment
    assert html_tags(html.read(PAGE).filled([each.segment for each in together])) == html_tags(PAGE)


def test_code_before_a_full_stop_is_there_though_the_vocabulary_has_no_piece_for_what_stands_for_it(tiny_translator):
    segment = html.read("See <code>mt</code>.").segments[0]
    found = SegmentTranslator(tiny_translator, ["unknown"])([segment])[0].segment
    assert list(found.raw.values()) == ["<code>mt</code>"] and "<code>mt</code>" in found.written(str)


def test_a_full_stop_that_the_source_has_not_is_left_out(tiny_translator):
    """Also where it was a word of its own, which attention has a row for, and other sentences follow."""
    said = {"A cat is": "Un chat .", "Leave.": "Va."}

    def translate(texts, constraints):
        return [Translation(said[text], -1.0, -1.0) for text in texts]

    translator = SegmentTranslator(tiny_translator, translate=translate)
    segment = html.read("<i>Leave.</i> <b>A cat</b> is").segments[0]
    found = translator([segment])[0].segment
    assert found.text == "Va. Un chat" and found.written(str).startswith("<i>Va.</i> ")
    assert translator([html.read("Leave.").segments[0]])[0].segment.text == "Va."


def html_tags(page: str) -> list[str]:
    return sorted(re.sub(r'="[^"]*"|=\w+', "", tag) for tag in re.findall(r"<[^<>]*>", re.sub(r"='[^']*'", "", page)))


def test_from_the_command_line(tmp_path, capsys):
    files = {"a.md": NOTES, "b.html": PAGE, "c.srt": CUES, "d.po": PO, "e.tmx": TMX.replace("\n", "\r\n")}
    for name, content in files.items():
        (tmp_path / name).write_bytes(content.encode())
    (tmp_path / "fr").mkdir()
    words = ["translate", pretrained.DEFAULT, *(str(tmp_path / name) for name in files), "--beam-size", "1"]
    assert cli.main([*words, "--output", str(tmp_path / "fr")]) == 0
    done = {name: (tmp_path / "fr" / name).read_bytes().decode() for name in files}
    assert "# Le chat *noir*" in done["a.md"] and "Je t'aime." in done["a.md"]
    assert "<b>noir</b>" in done["b.html"]
    assert done["c.srt"].count("-->") == 3 and "<i>" in done["c.srt"]
    assert "%s" in polib.pofile(done["d.po"])[0].msgstr
    assert '<tuv xml:lang="fr">\r\n' in done["e.tmx"]
    # Without a folder, and where options are for lines.
    assert cli.main(words) == 2 and "--output which folder" in capsys.readouterr().err
    assert cli.main([*words[:3], "--json"]) == 2 and "--json: is for lines" in capsys.readouterr().err
    (tmp_path / "bad.srt").write_text("hello")
    assert cli.main([*words[:2], str(tmp_path / "bad.srt")]) == 2
    assert "bad.srt: not subtitles" in capsys.readouterr().err
    # What is said counts, whatever the names of several say.
    assert cli.main([*words[:4], "--format", "tmx", "--output", str(tmp_path / "fr")]) == 2
    assert "a.md: not XML" in capsys.readouterr().err
    text_file = tmp_path / "lines"
    text_file.write_text("The <b>black</b> cat & {0} are here.\n", "utf-8")
    assert cli.main([*words[:2], str(text_file), "--keep", "tags", "placeholders", "--json"]) == 0
    found = capsys.readouterr().out
    assert "<b>noir</b>" in found and "{0}" in found and " & " in found


def test_a_template_fills_blanks_within_blanks():
    template = Template()
    inner = template.blank(html.Segment("in"), lambda segment: segment.text)
    template.add(
        html.Segment("a b", (html.segment([html.Item("void", "", f"<{inner}>")]).marks)), lambda s: s.written(str)
    )
    assert template.filled(template.segments) == "<in>a b"
    assert pathlib.Path("a.MD").suffix.lower() == ".md" and formats.of_name(pathlib.Path("a.MD")) == "markdown"
