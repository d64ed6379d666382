"""The former home of `load_bench`, kept for scripts that import it from here; its home is `optics.bench`."""

from optics.bench.files import bench_from_dict, bench_names, load_bench

__all__ = ["bench_from_dict", "bench_names", "load_bench"]
