"""The command line: `mt VERB …`."""

import contextlib
import importlib
import os
import signal
import sys
import threading
from collections.abc import Iterator

from mt.allocator import keep_freed_memory
from mt.errors import UserError, nearest, printable
from mt.training.stopping import STATUS
from mt.version import __version__

VERBS = {
    "train": "train a translator from a config, or go on with an interrupted training",
    "evaluate": "BLEU, chrF and TER of a run on a test set",
    "average": "average the parameters of a run's last or best checkpoints",
    "tune": "find the beam and the length penalty that are best on the dev set",
    "translate": "translate lines of text with a run",
    "generate": "go on with text by a language model",
    "score": "how likely a run finds translations, or text, that are there already",
    "align": "which words of a source its translation's words come from",
    "show": "attention, the search's tree, a training's curves and a model's parameters",
    "export": "write a model for inference: a bundle, StableHLO, SavedModel, MarianMT, CTranslate2",
    "import": "make a run of a Hugging Face model: MarianMT, such as OPUS-MT's, BERT, GPT-2",
    "plan": "what training and translating would take on TPUs, without a TPU",
    "benchmark": "how fast training, translating, reading data and starting are here",
}
_USAGE = "usage: mt VERB ...\n\nNeural machine translation in JAX.\n\n" + "".join(
    f"  mt {verb:10} {about}\n" for verb, about in VERBS.items()
)
_MORE = "\nmt VERB --help tells all of a verb's options.\n"


def main(arguments: list[str] | None = None) -> int:
    """Runs a verb.

    Returns:
        The exit status: 0, or 2 if the user has something to mend, which is then said on standard error, or what else
        the verb returns.
    """
    arguments = sys.argv[1:] if arguments is None else arguments
    if not arguments or arguments[0] in ("-h", "--help"):
        print(_USAGE + _MORE, end="")
        return 0 if arguments else 2
    if arguments[0] in ("-V", "--version"):
        print(f"mt {__version__}")
        return 0
    keep_freed_memory()
    try:
        with _ended_by_sigterm():
            return _run(arguments[0], arguments[1:])
    except UserError as error:
        print(f"mt: error: {printable(str(error))}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("mt: interrupted", file=sys.stderr)
        return 130
    except _Terminated:
        print("mt: terminated", file=sys.stderr)
        return 128 + signal.SIGTERM
    except BrokenPipeError:
        _leave_output()  # who reads it has left
        return 0
    except OSError as error:
        if error.strerror is None:
            raise
        where = "" if error.filename is None else f"{printable(str(error.filename))}: "
        print(f"mt: error: {where}{error.strerror}; check the path, its rights and the disk", file=sys.stderr)
        if error.filename is None:
            _leave_output()  # it may be what could not be written
        return 2
    except Exception as error:
        if "No space left on device" in str(error):  # as libraries have it
            print("mt: error: no space is left on a disk; free some, and try again", file=sys.stderr)
            return 2
        # JAX has an exception of its own for this, which is not worth importing JAX for.
        if not isinstance(error, MemoryError) and "RESOURCE_EXHAUSTED" not in str(error):
            raise
        reason = next(iter(str(error).splitlines()), "MemoryError")
        print(f"mt: error: out of memory ({reason}); take a smaller beam, batch or model", file=sys.stderr)
        return 2


def run() -> None:
    """What the shell starts."""
    status = main()
    if status == STATUS and "mt.parallel" in sys.modules and sys.modules["mt.parallel"].is_alone():
        # A training was to leave, perhaps while it compiled: XLA crashes where an ordinary end finds it at work.
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(status)
    sys.exit(status)


class _Terminated(BaseException):
    """SIGTERM came."""


@contextlib.contextmanager
def _ended_by_sigterm() -> Iterator[None]:
    """SIGTERM ends what is within as an exception does: nothing half-written is left behind."""

    def end(number, frame):
        raise _Terminated

    if threading.current_thread() is not threading.main_thread() or signal.getsignal(signal.SIGTERM) == signal.SIG_IGN:
        yield
        return
    before = signal.signal(signal.SIGTERM, end)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _leave_output() -> None:
    """The interpreter must not try to flush standard output once more."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _run(verb: str, arguments: list[str]) -> int:
    if verb not in VERBS:
        raise UserError(f"no verb {verb!r}{nearest(verb, VERBS)}; mt --help lists them")
    # Each verb imports only what it needs: translating must not wait for TensorFlow.
    command = importlib.import_module(f"mt.commands.{verb}")
    default = command.defaults(arguments) if hasattr(command, "defaults") else None
    from mt.arguments import parse

    return command.main(parse(f"mt {verb}", command.Arguments, arguments, default)) or 0
