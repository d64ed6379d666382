"""`sclc data get`, `check`, `import`: images fetched, looked at, brought into one file, before anything is trained."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from distill.cli.options import Json, Sets, command

if TYPE_CHECKING:
    from collections.abc import Callable

    from distill.cli.show import Bars
    from distill.data.parts import Options
    from distill.data.survey.contents import Checked
    from distill.job.config import RunConfig

Source = Annotated[
    str,
    typer.Argument(
        metavar="PATH|NAME",
        help="A folder, file or archive of images, or a name that `sclc data get` knows; see docs/data.md.",
    ),
]
Size = Annotated[str | None, typer.Option("--size", help="Resize to so many pixels: 28, or HxW as 28x32.")]
Grey = Annotated[bool, typer.Option("--grey", help="Turn colour to grey.")]
Target = Annotated[
    str | None, typer.Option("--target", help="Which answers, where a source has several, as masks_multi.")
]
Axes = Annotated[
    str | None,
    typer.Option("--axes", help="Of arrays whose shape does not tell: nhwc (channels last) or nchw."),
]
White = Annotated[float | None, typer.Option("--white", help="Stored value that is full white.")]
Ignore = Annotated[
    list[str] | None, typer.Option("--ignore", help="A label or class that counts nowhere; may be repeated.")
]
Subset = Annotated[
    str | None,
    typer.Option("--subset", help="Of an HDF5 file with several sets, the one whose groups begin so."),
]
Cache = Annotated[
    Path | None, typer.Option("--cache", help="Where downloads are kept; ~/.cache/spectral-cascade.")
]


def register(app: typer.Typer) -> None:
    """Add the commands to the application."""
    group = typer.Typer(
        name="data",
        no_args_is_help=True,
        help="Images for training: fetch public sets, see what a source holds, bring it into one HDF5 file.",
        rich_markup_mode="rich",
    )
    command(group, "get", get)
    command(group, "check", check)
    command(group, "import", import_)
    app.add_typer(group)


def get(
    names: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="NAME...", help="mnist, fashion-mnist, cifar10, cifar100; without any: list them."
        ),
    ] = None,
    cache: Cache = None,
    json: Json = False,
) -> None:
    """Download public data sets from their authors' addresses, each file once and only with the published sha256.

    What breaks off goes on from there with the same command. A run then names the set: `data.source = "cifar10"`.

    Example: sclc data get fashion-mnist
    """
    import time

    from distill.cli import show as cli_show
    from distill.data import download, sources
    from optics.errors import OpticsError

    wanted = list(dict.fromkeys(names or ()))
    unknown = [name for name in wanted if name not in sources.names()]
    if unknown:
        raise OpticsError(
            f"no public data set is called {unknown[0]!r}; choose from {', '.join(sources.names())}."
        )
    found = {}
    with cli_show.Bars() as bars:
        for name in wanted:
            if name not in download.SETS:  # the digits are in the package
                found[name] = "in the package"
                continue
            bars.begin(name, f"fetch {name}")
            started = time.perf_counter()
            folder = sources.place(name, cache)
            download.fetch_set(name, folder, progress=_bar(bars, name))
            bars.end(name, time.perf_counter() - started)
            found[name] = str(folder)
    if not wanted:
        found = {name: _told(name, cache) for name in sources.names()}
    if json:
        cli_show.print_json(found)
        return
    for name, where in found.items():
        cli_show.out().print(f"{name:<14} {where}", soft_wrap=True)


def _bar(bars: Bars, name: str) -> Callable[[int, int | None], None]:
    def progress(done: int, size: int | None) -> None:
        bars.progress(name, done, size or 0, f"{done / 1e6:.1f} MB")

    return progress


def _told(name: str, cache: Path | None) -> str:
    from distill.data import download, sources

    if name not in download.SETS:
        return "in the package"
    folder = sources.place(name, cache)
    there = all((folder / remote.name).is_file() for remote in download.SETS[name])
    return f"{folder}" if there else f"not fetched; from {download.SETS[name][0].url.rsplit('/', 1)[0]}"


def check(
    source: Annotated[
        str,
        typer.Argument(
            metavar="PATH|NAME|RUN.toml",
            help="What `import` takes, or a run file, whose images are looked at as it says.",
        ),
    ],
    size: Size = None,
    grey: Grey = False,
    target: Target = None,
    axes: Axes = None,
    white: White = None,
    ignore: Ignore = None,
    subset: Subset = None,
    sets: Sets = None,
    cache: Cache = None,
    json: Json = False,
) -> None:
    """Tell what a source of images holds: parts, sizes, classes, labels, duplicates, and what cannot be read.

    Reads every picture once and writes nothing. Exit code 1 where training on it would be refused, a line for each
    reason. Of a run file it tells what its data hold, read as it says, and the digest of its training images, which
    result.json tells too.

    Examples: sclc data check photographs/

    sclc data check scans.zip --size 64 --grey

    sclc data check mine.toml --set seed=1
    """
    import time

    from distill.cli import show as cli_show
    from distill.data.survey import check as look
    from optics.errors import OpticsError

    told: dict[str, Any] = {
        "size": size,
        "grey": grey,
        "target": target,
        "axes": axes,
        "white": white,
        "subset": subset,
    }
    run = _run_file(source, sets, given=any([*told.values(), ignore, cache]))
    source, options, left_out = (
        (source, _options(**told), _ignored(ignore))
        if run is None
        else (run.data.source, _options(**run.data.model_dump(include=set(told))), run.data.ignore)
    )
    with cli_show.Bars() as bars:
        bars.begin("check", f"read {source}")
        started = time.perf_counter()
        found = look(
            source,
            options=options,
            ignore=left_out,
            cache=cache,
            progress=lambda done, total: bars.progress("check", done, total),
        )
        training = None
        if run is not None and not found.problems:
            try:
                training = _training(run)
            except OpticsError as error:  # of how the run cuts them
                found = found.model_copy(update={"problems": (str(error),)})
        bars.end("check", time.perf_counter() - started)
    if json:
        cli_show.print_json(
            found.model_dump(mode="json") | ({} if training is None else {"training": training})
        )
    else:
        _show(found, training)
    if found.problems:
        raise typer.Exit(1)


def _run_file(source: str, sets: list[str] | None, *, given: bool) -> RunConfig | None:
    from distill.job.config import load

    if Path(source).suffix.lower() != ".toml":
        if sets:
            raise typer.BadParameter(f"--set changes a run file, and {source} is none.")
        return None
    if given:
        raise typer.BadParameter(
            f"{source} says how its images are read; change it by --set, such as --set data.grey=true."
        )
    return load(source, sets=sets or ())


def _training(run: RunConfig) -> dict[str, Any]:
    """How many images a run trains on, its seed, and their digest as result.json tells it."""
    from distill.job.job import Job

    part = Job.prepare(run, Path()).splits.train  # writes nothing
    return {"images": len(part), "seed": run.seed, "digest": part.digest()}


def import_(
    source: Source,
    output: Annotated[Path, typer.Option("--output", "-o", help="The HDF5 file to write, *.h5.")],
    size: Size = None,
    grey: Grey = False,
    target: Target = None,
    axes: Axes = None,
    white: White = None,
    ignore: Ignore = None,
    subset: Subset = None,
    validation: Annotated[
        float,
        typer.Option("--validation", help="Share that is cut off for parts that the source does not bring."),
    ] = 0.1,
    limit: Annotated[
        int | None, typer.Option("--limit", min=1, help="At most so many images a part.")
    ] = None,
    seed: Annotated[int, typer.Option("--seed", min=0, help="Of what is drawn.")] = 0,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace a file that is there.")] = False,
    cache: Cache = None,
    json: Json = False,
) -> None:
    """Bring folders, archives or arrays of images into one HDF5 file with training, validation and test parts.

    A run takes it as data.source, and trains on the same images and labels as from the source itself.

    Examples: sclc data import photographs.zip -o photographs.h5 --size 64 --grey

    sclc data import arrays.npz -o mine.h5
    """
    from distill.cli import show as cli_show
    from distill.data.survey import convert

    made = convert(
        source,
        output,
        overwrite=overwrite,
        validation=validation,
        seed=seed,
        ignore=_ignored(ignore),
        limit=limit,
        options=_options(size=size, grey=grey, target=target, axes=axes, white=white, subset=subset),
        cache=cache,
    )
    counts = {"train": len(made.train), "validation": len(made.validation), "test": len(made.test)}
    told = {"file": str(output), "classes": list(made.train.class_names), "images": counts}
    if json:
        cli_show.print_json(told)
        return
    shape = " x ".join(map(str, made.train.images.shape[1:]))
    parts = ", ".join(f"{number} {name}" for name, number in counts.items())
    cli_show.out().print(
        f"{output}: {made.train.classes} classes, images of {shape} "
        f'(channels, H, W): {parts}. A run takes it by data.source = "{output}"',
        soft_wrap=True,
    )


def _options(*, size: str | tuple[int, int] | None, **told: Any) -> Options:
    """How images are to be read; size: as --size takes it, or (H, W)."""
    from distill.cli.bench import image_shape
    from distill.data.parts import Options

    if not isinstance(size, str):
        return Options(size=size, **told)
    try:
        return Options(size=image_shape(size), **told)
    except typer.BadParameter as error:
        raise typer.BadParameter(str(error).replace("--image", "--size")) from None


def _ignored(ignore: list[str] | None) -> tuple[int | str, ...]:
    whole = [word.removeprefix("-").isdecimal() and len(word) < 20 for word in ignore or ()]
    return tuple(int(word) if yes else word for word, yes in zip(ignore or (), whole, strict=True))


_SHOWN = 20  # classes that are listed


def _show(found: Checked, training: dict[str, Any] | None) -> None:
    from rich.box import SIMPLE
    from rich.table import Table

    from distill.cli import show as cli_show

    console = cli_show.out()
    what = "a class for each pixel" if found.kind == "pixels" else "a class for each image"
    number = len(found.class_names)
    console.print(f"{found.source}: {what}, {number} {'class' if number == 1 else 'classes'}", soft_wrap=True)
    table = Table(box=SIMPLE)
    for name in (
        "part",
        "images",
        "channels x H x W",
        "values",
        "labels as stored",
        "unreadable",
        "repeated",
    ):
        table.add_column(name, justify="left" if name == "part" else "right", no_wrap=True)
    for name, part in found.parts.items():
        sizes = "; ".join(
            size if n == part.images else f"{n} of {size}" for size, n in list(part.sizes.items())[:3]
        )
        values = "-" if part.values is None else f"{part.values[0]:.3g} .. {part.values[1]:.3g}"
        stored = "-" if part.stored is None else f"{part.stored[0]} .. {part.stored[1]}"
        table.add_row(
            name,
            str(part.images),
            sizes or "-",
            values,
            stored,
            str(part.unreadable_count),
            str(part.repeated),
        )
    console.print(table)
    names = list(dict.fromkeys(name for part in found.parts.values() for name in part.classes))
    counts = Table(box=SIMPLE)
    counts.add_column("class", no_wrap=True)
    for part_name in found.parts:
        counts.add_column(part_name, justify="right", no_wrap=True)
    for name in names[:_SHOWN]:
        counts.add_row(name, *(str(part.classes.get(name, 0)) for part in found.parts.values()))
    if any(part.void for part in found.parts.values()):
        counts.add_row("(void)", *(str(part.void) for part in found.parts.values()))
    console.print(counts)
    if len(names) > _SHOWN:
        console.print(f"and {len(names) - _SHOWN} classes more; --json has all")
    for name, part in found.parts.items():
        console.print(f"pixels of {name!r}, in any order: {part.pixels}", soft_wrap=True)
    if training is not None:
        console.print(
            f"training images with seed {training['seed']}: {training['images']}, digest {training['digest']}",
            soft_wrap=True,
        )
    for remark in found.remarks:
        console.print(f"note: {remark}", soft_wrap=True)
    for problem in found.problems:
        console.print(f"  ! {problem}", soft_wrap=True)
    console.print("Training on it would be refused." if found.problems else "Training on it can begin.")
