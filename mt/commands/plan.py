"""`mt plan`: what a training or a search would take on TPUs, by the TPU's compiler, without a TPU."""

import dataclasses
import json
import pathlib
import sys
from typing import Annotated, Any

# First of all: it decides what JAX looks for when it is loaded.
from mt.planning.chips import Chip, describe, leave_own_devices_alone

leave_own_devices_alone()

import tyro  # noqa: E402

from mt import config as run_config  # noqa: E402
from mt.commands.positional import positional  # noqa: E402
from mt.config import RunConfig  # noqa: E402
from mt.errors import UserError  # noqa: E402
from mt.planning.account import Account, account, memory  # noqa: E402
from mt.planning.largest import largest_that_fits  # noqa: E402
from mt.planning.programs import Program, TooLarge, search, train_step  # noqa: E402

_SWITCHES = ("--decode", "--no-decode", "--largest-batch", "--no-largest-batch", "--json", "--no-json")


@dataclasses.dataclass(frozen=True)
class Arguments:
    """Compiles a config's update, or its beam search, for TPUs that need not be there, and says what they would have
    to do: whether it fits, arithmetic, memory traffic and communication of each core, what bounds the speed, and the
    hours that follow. All figures are the compiler's; times are the least that the chip's peaks allow.

    Attributes:
        config: a Python file with a function get_config(), see configs/. Any field of it can be changed below.
        topology: kind of chip and shape of the machine: v5e:2x4, v5p:2x2x1, v6e:4x4, …
        decode: the beam search in place of the update.
        rows: of a batch, a core; 0 is the config's batch spread over the cores, and 32 for the search.
        source_length: tokens a sentence, its end included ("decode").
        target_tokens: of the corpus, for the hours an epoch takes; 0 leaves them out.
        largest_batch: also search for the most rows that fit, which takes several compilations.
        json: one JSON object in place of the table.
        run: the config's fields.
    """

    config: tyro.conf.Positional[pathlib.Path]
    topology: str
    decode: bool = False
    rows: int = 0
    source_length: int = 64
    target_tokens: int = 0
    largest_batch: bool = True
    json: bool = False
    run: Annotated[tyro.conf.FlagConversionOff[RunConfig], tyro.conf.arg(name="")] = RunConfig()


def defaults(arguments: list[str]) -> Arguments | None:
    """What the config file among the arguments says, so that the others are changes to it."""
    found = [each for each in positional(arguments, _SWITCHES) if each.endswith(".py")]
    if not found:
        return None
    return Arguments(tyro.MISSING, tyro.MISSING, run=run_config.read(pathlib.Path(found[0])))


def main(arguments: Arguments) -> None:
    """Runs the verb."""
    for field in ("rows", "target_tokens"):
        if getattr(arguments, field) < 0:
            raise UserError(f"--{field.replace('_', '-')} {getattr(arguments, field)}: is negative")
    if arguments.source_length < 2:
        raise UserError(f"--source-length {arguments.source_length}: is fewer than a token and the sentence's end")
    chip, devices = describe(arguments.topology)
    rows = arguments.rows or _rows(arguments, len(devices))

    def compiled(rows: int) -> Program:
        what = "search" if arguments.decode else "update"
        print(f"compiling the {what} for {len(devices)} cores, {rows} rows each", file=sys.stderr, flush=True)
        if arguments.decode:
            return search(arguments.run, devices, rows, arguments.source_length)
        return train_step(arguments.run, devices, rows)

    def share(rows: int) -> float | None:
        try:
            return memory(compiled(rows).compiled) / chip.memory_bytes
        except TooLarge:
            return None

    multiple = 1 if arguments.decode else arguments.run.training.accumulation_steps
    if rows % multiple:
        raise UserError(f"--rows {rows}: cannot be cut into training.accumulation_steps {multiple} parts")
    try:
        program = compiled(rows)
    except TooLarge as error:
        hint = "take fewer rows, accumulation steps, or model.remat"
        if arguments.largest_batch:
            most = largest_that_fits(share, rows, None, 0.0, multiple)
            hint = f"{most} rows fit" if most else "not even the fewest rows fit; take a smaller model"
        raise UserError(f"{arguments.config} on {arguments.topology}: {rows} rows a core: {error}; {hint}") from None
    costs = account(program.compiled, program.turns)
    plan = _plan(arguments, chip, len(devices), rows, program, costs)
    if arguments.largest_batch:
        used, fixed = (each / chip.memory_bytes for each in (memory(program.compiled), costs.argument_bytes))
        plan["largest_rows_per_core"] = largest_that_fits(share, rows, used, fixed, multiple)
    print(json.dumps(plan) if arguments.json else _table(plan, chip))


def _rows(arguments: Arguments, devices: int) -> int:
    """Of a batch, a core."""
    if arguments.decode:
        return 32
    batching, parts = arguments.run.data.batching, arguments.run.training.accumulation_steps
    rows = batching.rows(batching.row_length)
    if rows % (devices * parts):
        raise UserError(
            f"data.batching: {rows} rows of {batching.row_length} tokens a batch cannot be spread over {devices} cores"
            f"{f' in {parts} parts' if parts > 1 else ''}; change data.batching.batch-tokens and row-multiple, or give "
            "--rows a core"
        )
    return rows // devices


def _plan(arguments: Arguments, chip: Chip, cores: int, rows: int, program: Program, costs: Account) -> dict[str, Any]:
    compute, traffic = costs.flops / chip.flops, costs.memory_bytes / chip.memory_bandwidth
    # A reduction over a ring or torus sends every byte about twice, and a link is as fast each way as the other.
    sent = 2 * costs.collective_bytes * (cores - 1) / cores
    communication = sent / (chip.link_bandwidth / 2)
    bound = max(compute, traffic)
    rate = program.target_tokens / bound
    config = arguments.run
    return {
        "config": str(arguments.config),
        "topology": arguments.topology,
        "program": "search" if arguments.decode else "update",
        "cores": cores,
        "rows_per_core": rows,
        "target_tokens_per_core": program.target_tokens,
        "compile_seconds": program.seconds,
        "fits": True,
        "memory_bytes": memory(program.compiled),
        "argument_bytes": costs.argument_bytes,
        "temp_bytes": costs.temp_bytes,
        "flops_per_step": costs.flops,
        "hbm_bytes_per_step": costs.memory_bytes,
        "flops_per_target_token": costs.flops / program.target_tokens,
        "hbm_bytes_per_target_token": costs.memory_bytes / program.target_tokens,
        "collective_bytes_per_step": costs.collective_bytes,
        "compute_seconds": compute,
        "memory_seconds": traffic,
        "collective_seconds": communication,
        "bound_by": "arithmetic" if compute > traffic else "memory",
        "target_tokens_per_second_per_chip": rate,
        "scaling_efficiency_without_overlap": bound / (bound + communication),
        **({} if arguments.decode else {"hours": config.training.steps * bound / 3600}),
        **({"hours_per_epoch": arguments.target_tokens / (rate * cores) / 3600} if arguments.target_tokens else {}),
    }


def _table(plan: dict[str, Any], chip: Chip) -> str:
    giga, tokens = 1e9, plan["target_tokens_per_core"]
    lines = [
        f"{plan['config']} on {plan['topology']}: {plan['cores']} cores, each {chip.flops / 1e12:.0f} TFLOP/s in "
        f"bfloat16, {chip.memory_bytes / giga:.0f} GB of HBM at {chip.memory_bandwidth / giga:.0f} GB/s",
        f"{plan['program']:12} {plan['rows_per_core']} rows a core, at most {tokens:,} target tokens; compiled in "
        f"{plan['compile_seconds']:.0f} s",
        f"memory       {plan['memory_bytes'] / giga:.2f} of {chip.memory_bytes / giga:.0f} GB: "
        f"{plan['argument_bytes'] / giga:.2f} given (parameters, optimizer, batch), {plan['temp_bytes'] / giga:.2f} "
        "temporary",
        f"arithmetic   {plan['flops_per_step'] / 1e12:.3f} TFLOP, {plan['flops_per_target_token'] / giga:.3f} GFLOP a "
        f"target token: {1e3 * plan['compute_seconds']:.2f} ms",
        f"traffic      {plan['hbm_bytes_per_step'] / giga:.2f} GB, "
        f"{plan['hbm_bytes_per_target_token'] / 1e6:.2f} MB a target token: {1e3 * plan['memory_seconds']:.2f} ms",
        f"collectives  {plan['collective_bytes_per_step'] / giga:.2f} GB: {1e3 * plan['collective_seconds']:.2f} ms if "
        f"nothing else goes on, {plan['scaling_efficiency_without_overlap']:.0%} of the speed left",
        f"bound        by {plan['bound_by']}: at most {plan['target_tokens_per_second_per_chip']:,.0f} target tokens/s "
        "a chip",
    ]
    if "largest_rows_per_core" in plan:
        lines.append(f"largest      {plan['largest_rows_per_core']} rows a core fit")
    if "hours" in plan:
        lines.append(f"time         {plan['hours']:.2f} hours for the config's steps, at least")
    if "hours_per_epoch" in plan:
        lines.append(f"epoch        {plan['hours_per_epoch']:.2f} hours, at least")
    return "\n".join(lines)
