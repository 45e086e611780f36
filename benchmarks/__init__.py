"""One script a figure, each beside a named peer in the same run; `python -m benchmarks` runs all of them."""
