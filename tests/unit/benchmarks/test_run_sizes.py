"""What is made of the measured runs; that they can be measured, tests/integration/benchmarks sees."""

from __future__ import annotations

from benchmarks.probes.run_sizes import ATTENTION, OTHER, PRODUCTS, SIZES, RunSizes, table


def test_table_has_a_row_per_size_and_part_and_a_column_per_precision() -> None:
    shares = dict(zip(SIZES, (0.5, 0.6, 0.7, 0.8), strict=True))
    run_ms = dict(zip(SIZES, (10.0, 20.0, 40.0, 80.0), strict=True))
    parts = {PRODUCTS: 0.7, ATTENTION: 0.2, OTHER: 0.1}
    found = [RunSizes("fp32", 2e11, shares, run_ms, parts), RunSizes("bf16", 4e11, shares, run_ms, parts)]

    assert table(found) == [
        "| runs of | fp32, of 200 G/s | bf16, of 400 G/s |",
        "|---|---|---|",
        "| at most 256 tokens | 50%, 10 ms each | 50%, 10 ms each |",
        "| at most 512 tokens | 60%, 20 ms each | 60%, 20 ms each |",
        "| at most 1,024 tokens | 70%, 40 ms each | 70%, 40 ms each |",
        "| at most 2,048 tokens | 80%, 80 ms each | 80%, 80 ms each |",
        "| of those of 512: products with weights (and GELU) | 70% | 70% |",
        "| of those of 512: attention | 20% | 20% |",
        "| of those of 512: all else | 10% | 10% |",
    ]
