"""A document of each format, with most of what it can have."""

PAGE = """<!DOCTYPE html>
<html lang="en"><head><meta name="description" content="About cats &amp; dogs"><title>Cats</title>
<meta name="viewport" content="width=device"><style>p { color: red }</style>
<script>if (a < b && c) { alert("hello") }</script></head>
<body class=main><!-- a comment --><h1>The cat</h1>
<p>The <b>black</b> cat is <i class="x">here</i> &lt; there. Tom &amp; <a href="/u?a=1&amp;b=2"
   title="My friend">Mary</a> go.<br>Use <code>x &lt; y</code>. <img src="cat.png" alt='A "small" cat'/></p>
<ul><li>One <strong>car</strong><li>Two dogs</ul><pre>
  do not   touch</pre>
<td>3.14</td><span class="notranslate">Tom</span><a href="/x"><div>Click.</div></a>
<p translate="no">Leave <b>this</b>.</p>
<input type=submit value=Send><b>left open</p></body></html>
"""

NOTES = r"""---
title: Hello
---
# The *black* cat

The cat is on the **table**. I bought [a car](http://a.b/c "My car")
there; see `mt translate  --help`, <https://a.b> and [that][ref]. It
is <b>raining</b>, a \* and a_b. <kbd>Ctrl</kbd>  
Yes.

> [!NOTE]
> I love you.

- [ ] Open ![a door](d.png)
  1. Two dogs[^1]

| Name | What \| which |
|---|:-:|
| `a\|b` | The **fish** |

```python
print("hello")
```

<p align="center">The dog. <img alt="A dog"></p>

Costs $a*b$ here.

[^1]: A small dog.

[ref]: http://x.y "z"
"""

LETTER = """THE CAT

  The cat is on the table. I bought a red car there
  yesterday, and I do not know where my brother is
  now.

  * One dog and a cat
  * Two dogs in the garden of my best friend, who has
    a car

12 Main Street
Paris\t
*****
"""

CUES = """1
00:00:01,000 --> 00:00:03,500
Where is the <i>station</i>,
my friend?

2
00:00:04,000 --> 00:00:06,000 X1:40
- Hello, Tom!
- {\\an8}I love you & <b>her.

4
00:00:07,000 --> 00:00:08,000
\u266a

"""

PO = r"""# A comment
msgid ""
msgstr ""
"Content-Type: text/plain; charset=UTF-8\n"
"Plural-Forms: nplurals=3; plural=n>1;\n"

#: main.c:10
#, c-format
msgid "The <b>file</b> %s is there.\n"
msgstr ""

#, fuzzy
msgid "One"
msgid_plural "Many"
msgstr[0] ""
msgstr[1] ""
msgstr[2] ""

msgctxt "menu"
msgid "Yes"
msgstr "Ouais"

#~ msgid "old"
#~ msgstr "vieux"
"""

TMX = """<?xml version="1.0" encoding="UTF-8"?>
<!DOCTYPE tmx SYSTEM "tmx14.dtd">
<tmx version="1.4">
  <header srclang="en"/>
  <body>
    <tu tuid="1">
      <note>keep</note>
      <tuv xml:lang="EN-us">
        <seg>A <bpt i="1">&lt;b&gt;</bpt>black<ept i="1">&lt;/b&gt;</ept> <hi>cat</hi> &amp; <ph x="1">{0}</ph>.</seg>
      </tuv>
    </tu>
    <tu><tuv xml:lang="en"><seg>Yes.</seg></tuv><tuv xml:lang="fr"><seg>Ouais.</seg></tuv></tu>
    <tu><tuv xml:lang="en"><seg>No.</seg></tuv><tuv xml:lang="fr"><seg/></tuv></tu>
    <tu><tuv xml:lang="de"><seg>Danke.</seg></tuv></tu>
  </body>
</tmx>
"""
