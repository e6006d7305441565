"""What a compiled program costs a device, by the compiler's own account, loops counted as often as they run."""

import math
import re
from typing import Any, NamedTuple

_COMPUTATION = re.compile(r"^(ENTRY )?(%\S+) \(.*\{$")
_COLLECTIVE = re.compile(r" = (.*?) (all-reduce|all-gather|reduce-scatter|all-to-all|collective-permute)(-start)?\(")
_BITS = {"pred": 8, "s4": 4, "u4": 4}  # others say it in their names


class Account(NamedTuple):
    """Of one run, on one device.

    Attributes:
        flops: floating-point operations.
        memory_bytes: read and written, as the compiler counts "bytes accessed": what is first copied into the core's
            own memory counts there too.
        collective_bytes: what collective operations take from each device.
        argument_bytes: what the program is given: parameters, optimizer, batch.
        temp_bytes: what it needs beside that while it runs.
    """

    flops: float
    memory_bytes: float
    collective_bytes: float
    argument_bytes: int
    temp_bytes: int


def memory(compiled: Any) -> int:
    """Bytes that a compiled program needs on a device: what it is given and what it needs beside that."""
    needed = compiled.memory_analysis()
    return needed.argument_size_in_bytes + needed.temp_size_in_bytes


def account(compiled: Any, unknown_trips: int = 1) -> Account:
    """Of a program that JAX has compiled.

    The compiler's analysis counts a loop's body once; each further turn is added here.

    Args:
        compiled: the program.
        unknown_trips: turns of loops whose number depends on data.
    """
    program = _Program(compiled.as_text())
    total, needed = compiled.cost_analysis(), compiled.memory_analysis()
    flops, moved = total["flops"], total["bytes accessed"]
    collective = 0.0
    for name, begun, turns in program.runs(unknown_trips):
        collective += begun * turns * program.collective_bytes(name)
        if turns > 1:
            body = program.cost(name)  # loops in it are counted once, too
            flops += begun * (turns - 1) * body["flops"]
            moved += begun * (turns - 1) * body["bytes accessed"]
    return Account(flops, moved, collective, needed.argument_size_in_bytes, needed.temp_size_in_bytes)


class _Program:
    """The text of a compiled program, by computation."""

    def __init__(self, text: str):
        self._text = text
        self._lines: dict[str, list[str]] = {}
        self._entry = current = ""
        for line in text.splitlines():
            if header := _COMPUTATION.match(line):
                current = header[2]
                self._lines[current] = []
                self._entry = current if header[1] else self._entry
            elif current:
                self._lines[current].append(line)

    def runs(self, unknown_trips: int) -> list[tuple[str, int, int]]:
        """The entry and each loop's body: how often it is begun, and how many turns it then makes."""
        found = [(self._entry, 1, 1)]
        for outer, begun, turns in found:  # which grows on the way
            for line in self._lines[outer]:
                if loop := re.search(r" while\(.*condition=(%[^\s,]+), body=(%[^\s,]+)", line):
                    found.append((loop[2], begun * turns, self._trips(line, loop[1], unknown_trips)))
        return found

    def _trips(self, line: str, condition: str, unknown: int) -> int:
        if said := re.search(r'known_trip_count":\{"n":"(\d+)"', line):
            return int(said[1])
        body = "\n".join(self._lines[condition])
        bounds = re.findall(r" s32\[\]\S* constant\((\d+)\)", body)
        counted = len(bounds) == 1 and "direction=LT" in body and " and(" not in body and " call(" not in body
        return int(bounds[0]) if counted else unknown

    def cost(self, name: str) -> dict[str, float]:
        """A computation's cost by XLA's analysis, as if it were a program of its own."""
        # JAX has no public name for these; the package `jaxlib` ships them for its own tools.
        import jax
        from jaxlib import _hlo, _jax  # type: ignore[attr-defined]

        text = self._text.partition("\n")[2].replace("\nENTRY ", "\n").replace(f"\n{name} (", f"\nENTRY {name} (")
        module = _hlo.hlo_module_from_text(f"HloModule loop, is_scheduled=true\n{text}")
        return _jax.hlo_module_cost_analysis(jax.devices("cpu")[0].client, module)

    def collective_bytes(self, name: str) -> float:
        """What the collective operations of a computation take, loops in it not counted."""
        total = 0.0
        for line in self._lines[name]:
            if found := _COLLECTIVE.search(line):
                total += sum(_bytes(*each) for each in re.findall(r"\b(pred|[a-z]+\d+)\[([\d,]*)\]", found[1]))
        return total


def _bytes(dtype: str, dimensions: str) -> float:
    bits = _BITS.get(dtype) or int(re.search(r"\d+", dtype)[0])  # type: ignore[index]
    return math.prod(int(each) for each in dimensions.split(",") if each) * bits / 8
