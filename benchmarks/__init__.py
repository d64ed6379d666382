"""Speed and accuracy against peers, as ratios measured in one run: `python -m benchmarks --help`.

Each subcommand is one file with two functions, imported only when it is asked for:

    measure(*, peers: bool, quick: bool) -> dict    numbers that JSON can hold; `peers` also measures other packages
                                                     where they can be imported, `quick` is a short run for tests
    tables(result: dict) -> list[rich.table.Table]  the same numbers for people
"""
