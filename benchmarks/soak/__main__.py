"""`make soak`."""

from benchmarks.soak.run import main

main()
