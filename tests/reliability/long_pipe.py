"""Millions of lines down a pipe: as many come out, in order, while they come in, in memory that does not grow.

    python -m tests.reliability.long_pipe [--run en_fr_small] [--lines 10000000]

Seven lines of ten are blank, one of a thousand is new, the others are one of fifty sentences. Each must have the
translation that the same line had the first time, and some of the new ones that which they have by themselves, so that
a line that was lost, doubled or moved would be found. It ends with status 1 if one was, if nothing came out before all
was in, or if memory grew by more than a twentieth between half of the lines and the end.
"""

import argparse
import subprocess
import sys
import threading
import time

from mt import Translator
from mt.data.text import read_lines
from tests.reliability.soak import ROOT, growth, sample

SHIPPED = ROOT / "mt" / "data" / "corpora" / "tatoeba_en_fr"
AHEAD = 1_000_000  # lines that may be in the pipes and in the program


def line(number: int, sentences: list[str]) -> str:
    """The line of that number."""
    if number % 1001 == 0:
        return f"Number {number}."
    return "" if number % 10 < 7 else sentences[number * 7 % len(sentences)]


def main() -> None:
    """Writes, reads, watches, and says what was wrong."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--run", default="en_fr_small")
    parser.add_argument("--lines", type=int, default=10_000_000)
    options = parser.parse_args()
    sentences = [text for text, _ in zip(read_lines(SHIPPED / "test.en.xz"), range(50))]
    command = [sys.executable, "-m", "mt", "translate", options.run, "--beam-size", "1"]
    program = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert program.stdin and program.stdout
    stdin, written = program.stdin, 0

    def write() -> None:
        nonlocal written
        with stdin:
            for start in range(0, options.lines, 10_000):
                numbers = range(start, min(start + 10_000, options.lines))
                stdin.write("".join(f"{line(number, sentences)}\n" for number in numbers).encode())
                written = numbers[-1] + 1

    thread, since = threading.Thread(target=write, daemon=True), time.monotonic()
    thread.start()
    seen: dict[str, bytes] = {"": b"\n"}
    samples, new, read, furthest, wrong = [], {}, 0, 0, 0
    for read, found in enumerate(program.stdout, 1):
        source = line(read - 1, sentences)
        if (read - 1) % 1001 == 0:
            new[source] = found
        elif seen.setdefault(source, found) != found:
            wrong += 1
        furthest = max(furthest, written - read)
        if read % max(1, options.lines // 200) == 0:
            samples.append(sample(program.pid, since))
            print(f"\r{read:,} lines, {samples[-1][1]:.0f} MB, {samples[-1][0]:.0f} s", end="", file=sys.stderr)
    status, seconds = program.wait(), time.monotonic() - since
    some = list(new)[:: max(1, len(new) // 200)]
    alone = Translator.load(options.run).translate(some, beam_size=1)
    wrong += sum(f"{text}\n".encode() != new[source] for source, text in zip(some, alone))
    before, after = growth(samples, 1)
    print(
        f"\n{read:,} of {options.lines:,} lines in {seconds:.0f} s, {read / seconds:,.0f} a second; {wrong:,} wrong, "
        f"{len(some)} of {len(new):,} new ones looked at; at most {furthest:,} lines behind; "
        f"memory {before:.0f} MB after half, {after:.0f} MB at the end; status {status}"
    )
    flows = furthest < min(AHEAD, options.lines)
    raise SystemExit(status or read != options.lines or wrong > 0 or not flows or after > 1.05 * before)


if __name__ == "__main__":
    main()
