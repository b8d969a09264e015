"""The commands and their options."""

from __future__ import annotations

from enum import Enum
from pathlib import Path
from typing import Annotated

import typer

import fastopt
from fastopt.cli import watching

app = typer.Typer(
    name="fastopt",
    help="Optimizer updates for NumPy arrays, compiled from one formula each.",
    no_args_is_help=True,
    context_settings={"help_option_names": ["-h", "--help"]},
)


class Precision(str, Enum):
    """Of the numbers in arrays."""

    float32 = "float32"
    float64 = "float64"


class Between(str, Enum):
    """What runs between the steps that `bench` measures."""

    nothing = "nothing"
    matmul = "matmul"


class Peer(str, Enum):
    """What `bench` compares with."""

    torch = "torch"


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"fastopt {fastopt.__version__}")
        raise typer.Exit()


@app.callback()
def options(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Optimizer updates for NumPy arrays, compiled from one formula each."""


def _sizes(text: str) -> tuple[int, ...]:
    try:
        sizes = tuple(int(part) for part in text.split(","))
    except ValueError:
        sizes = ()
    if not sizes or min(sizes) < 1:
        raise typer.BadParameter(f"{text!r}; expected widths such as 128,64")
    return sizes


@app.command()
def demo(
    hidden: Annotated[str, typer.Option(help="Widths of the hidden layers.")] = "128,64",
    epochs: Annotated[int, typer.Option(min=1, help="Passes over the training images.")] = 40,
    batch: Annotated[int, typer.Option(min=1, help="Images per step.")] = 64,
    lr: Annotated[float, typer.Option(min=0.0, help="Learning rate.")] = 1e-3,
    dtype: Annotated[Precision, typer.Option(help="Precision of everything.")] = Precision.float32,
    seed: Annotated[int, typer.Option(help="Of the start and of the batches.")] = 0,
    out: Annotated[Path, typer.Option(help="Where the picture of the losses goes.")] = Path(
        "demo.png"
    ),
) -> None:
    """Train a network on real handwritten digits: Adam in NumPy twice, and fastopt's.

    Three networks start alike, see the same batches in turn, and differ only in who applies Adam's
    step: NumPy as texts write it, NumPy reusing its buffers, and fastopt. Needs the extra "demo".
    """
    import importlib.util

    for module, name in (("sklearn", "scikit-learn"), ("matplotlib", "matplotlib")):
        if importlib.util.find_spec(module) is None:
            typer.echo(
                f"fastopt demo: {name} is not installed; pip install 'fastopt[demo]'", err=True
            )
            raise typer.Exit(1)
    from fastopt.cli import demo

    demo.run(_sizes(hidden), epochs, batch, lr, dtype.value, seed, out)


@app.command()
def bench(
    optimizers: Annotated[
        str,
        typer.Option(help="Names, or module:Class of your own, separated by commas; or all."),
    ] = "SGD,AdamW,Lion,LAMB,Adafactor",
    sizes: Annotated[
        str, typer.Option(help="Numbers of elements, such as 1024,2^20.")
    ] = "2^10,2^14,2^17,2^20,2^24",
    dtype: Annotated[Precision, typer.Option(help="Precision.")] = Precision.float32,
    threads: Annotated[int | None, typer.Option(min=1, help="Threads of a large step.")] = None,
    between: Annotated[
        Between, typer.Option(help="What runs before every step, untimed.")
    ] = Between.nothing,
    against: Annotated[
        list[Peer] | None, typer.Option(help="Measure this library's steps beside them.")
    ] = None,
    rounds: Annotated[int, typer.Option(min=3, help="Turns that everything takes.")] = 15,
    json: Annotated[Path | None, typer.Option(help="Write all figures here.")] = None,
    plot: Annotated[Path | None, typer.Option(help="Draw time against size here.")] = None,
    save: Annotated[str | None, typer.Option(help="Keep this run under a name.")] = None,
    compare: Annotated[
        str | None, typer.Option(help="Compare with the run of this name; status 1 if slower.")
    ] = None,
    ratio: Annotated[
        float, typer.Option(help="How many times as slow is too slow, for --compare.")
    ] = 1.25,
    folder: Annotated[Path, typer.Option(help="Where saved runs are.")] = Path(".fastopt-bench"),
) -> None:
    """Measure steps on this machine, as fractions of what its memory allows.

    Every step is measured in turn with its traffic twin, a loop that moves the same memory and only
    adds. With --compare, the exit status is 1 if any became slower by more than the ratio, beyond
    what the spread of the measurements explains, in two measurements one after the other.
    """
    from fastopt.cli import bench

    try:
        bench.command(
            optimizers, sizes, dtype.value, threads, between.value, [p.value for p in against or []],
            rounds, bench.Request(save, compare, ratio, json, plot, folder),
        )  # fmt: skip
    except (ValueError, OSError) as error:
        typer.echo(f"fastopt bench: {error}", err=True)
        raise typer.Exit(2) from None


@app.command()
def doctor() -> None:
    """Tell what fastopt found here: versions, cores, threads, SIMD, cache, CUDA, memory bandwidth."""
    from fastopt.cli import doctor

    doctor.run()


@app.command()
def warmup(
    names: Annotated[
        list[str] | None, typer.Argument(help="Optimizers, such as AdamW SGD; all if left out.")
    ] = None,
    dtype: Annotated[
        list[Precision] | None, typer.Option(help="float32, float64; both if left out.")
    ] = None,
) -> None:
    """Compile optimizers' kernels ahead, into the cache that all later processes load from."""
    from fastopt.cli import warmup

    known = fastopt.optimizers.__all__
    unknown = [name for name in names or [] if name not in known]
    if unknown:
        raise typer.BadParameter(f"no optimizer {', '.join(unknown)}; there are {', '.join(known)}")
    warmup.run(names or list(known), [d.value for d in dtype or list(Precision)])


@app.command()
def ptx(
    name: Annotated[str, typer.Argument(help="An optimizer, such as AdamW.")],
    cc: Annotated[str, typer.Option(help="Compute capability of the GPU, from 7.5 on.")] = "9.0",
    dtype: Annotated[Precision, typer.Option(help="That of the parameters.")] = Precision.float32,
    exact: Annotated[
        bool, typer.Option("--exact", help="No fused multiply-add: the bits of the CPU's kernels.")
    ] = False,
    wide: Annotated[bool, typer.Option("--wide", help="128 bits in each load and store.")] = False,
    sass: Annotated[bool, typer.Option("--sass", help="Machine code instead of PTX.")] = False,
    stats: Annotated[
        bool, typer.Option("--stats", help="Registers, spills, bytes and instructions instead.")
    ] = False,
) -> None:
    """Print the PTX of an optimizer's step kernel. Needs the extra "cuda13" or "cuda12", and no GPU."""
    if name not in fastopt.optimizers.__all__:
        known = ", ".join(fastopt.optimizers.__all__)
        raise typer.BadParameter(f"no optimizer {name}; there are {known}")
    major, _, minor = cc.partition(".")
    if not (major.isdigit() and minor.isdigit()):
        raise typer.BadParameter(f"--cc {cc!r}; expected a compute capability such as 9.0")
    if sass and stats:
        raise typer.BadParameter("--sass and --stats; expected one of them")
    from fastopt.cli import ptx
    from fastopt.drivers.cuda.toolkit import MissingTool

    form = "sass" if sass else "stats" if stats else "ptx"
    try:
        ptx.run(name, (int(major), int(minor)), dtype.value, exact, wide, form)
    except (MissingTool, ValueError) as reason:
        typer.echo(f"fastopt ptx: {reason}", err=True)
        raise typer.Exit(1) from None


app.command()(watching.playground)
app.command()(watching.compare)
app.command(
    context_settings={"allow_extra_args": True, "ignore_unknown_options": True},
    cls=watching.WithFigures,
)(watching.figure)
