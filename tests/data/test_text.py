"""Lines as they come down a pipe."""

import io
import os
import threading

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mt.data.text import arriving_lines, decode_lines
from mt.errors import UserError


@pytest.fixture
def pipe():
    """A pipe's two ends."""
    read, write = os.pipe()
    with os.fdopen(read, "rb") as reader, os.fdopen(write, "wb", buffering=0) as writer:
        yield reader, writer


def test_lines_are_there_before_the_pipe_ends(pipe):
    reader, writer = pipe
    lines = arriving_lines(reader, most=3)
    writer.write(b"one\ntw")
    assert next(lines) == [b"one\n"]
    writer.write(b"o\r\nthree\n\nfive\nsix")
    assert next(lines) == [b"two\r\n", b"three\n", b"\n"]
    assert next(lines) == [b"five\n"]
    writer.close()
    assert list(lines) == [[b"six"]]


def test_lines_that_keep_coming_are_not_waited_for(pipe):
    reader, writer = pipe
    stop = threading.Event()

    def keep_writing():
        while not stop.wait(0.02):
            writer.write(b"again\n")

    thread = threading.Thread(target=keep_writing)
    thread.start()
    lines = arriving_lines(reader, most=2048, patience=0.1)
    assert 1 <= len(next(lines)) < 30
    stop.set()
    thread.join()


def test_what_comes_fast_comes_together(pipe):
    reader, writer = pipe
    expected = [b"%d\n" % number for number in range(30_000)]
    thread = threading.Thread(target=lambda: (writer.write(b"".join(expected)), writer.close()))
    thread.start()
    chunks = list(arriving_lines(reader, most=1000, patience=5.0))
    thread.join()
    assert [line for chunk in chunks for line in chunk] == expected and {len(chunk) for chunk in chunks} == {1000}


def test_a_long_line_is_one(pipe):
    reader, writer = pipe
    thread = threading.Thread(target=lambda: (writer.write(b"x" * 3_000_000 + b"\ny"), writer.close()))
    thread.start()
    assert [len(line) for chunk in arriving_lines(reader, 10) for line in chunk] == [3_000_001, 1]
    thread.join()


def test_what_is_not_utf8_is_replaced_or_refused():
    said = []
    lines = [
        b"\xef\xbb\xbfone\n",
        b"\xed\xa0\x80x\n",
        b"\xff",
    ]  # a byte order mark, half a surrogate pair, no character
    assert list(decode_lines(lines, "here", said.append, 5)) == ["\ufeffone", "\ufffd\ufffd\ufffdx", "\ufffd"]
    assert [each.split(":")[0] for each in said] == ["here, line 6", "here, line 7"]
    with pytest.raises(UserError, match="here, line 2: not valid UTF-8"):
        list(decode_lines(lines, "here"))
    assert list(decode_lines(lines[:1], "here")) == ["one"]


# Bytes that are apt to be taken for ends of lines, or to be no UTF-8, and any others.
AWKWARD = st.lists(
    st.sampled_from(
        [b"\n", b"\r", b"\r\n", b"\0", b"\x85", b"\xc2\x85", b"\xe2\x80\xa8", b"\x1c", b"\xed\xa0\x80", b"a"]
    )
    | st.binary(max_size=4),
    max_size=30,
).map(b"".join)


@settings(deadline=None, max_examples=200)
@given(AWKWARD, st.integers(1, 7), st.lists(st.integers(1, 20), min_size=1, max_size=5))
def test_as_many_lines_as_the_bytes_have_however_they_come(content, most, sizes):
    """Of a file, and of a pipe to which they are written in pieces."""
    expected = content.split(b"\n")[: -1 if content.endswith(b"\n") or not content else None]
    replaced = []
    decoded = list(decode_lines(io.BytesIO(content), "f", replaced.append))
    assert len(decoded) == len(expected) and not any("\n" in line for line in decoded)
    read, write = os.pipe()

    def pieces():
        with os.fdopen(write, "wb", buffering=0) as writer:
            start = 0
            while start < len(content):
                size = sizes[start % len(sizes)]
                writer.write(content[start : start + size])
                start += size

    thread = threading.Thread(target=pieces)
    thread.start()
    with os.fdopen(read, "rb") as reader:
        chunks = list(arriving_lines(reader, most, patience=0.001))
    thread.join()
    assert [line.removesuffix(b"\n") for chunk in chunks for line in chunk] == expected
    assert all(1 <= len(chunk) <= most for chunk in chunks)
