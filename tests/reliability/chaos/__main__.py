"""`python -m tests.reliability.chaos`: inject faults under load and check the results."""

import typer

from tests.reliability.chaos.run import main

typer.run(main)
