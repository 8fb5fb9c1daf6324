"""`python -m fewfit` is the command `fewfit`."""

from fewfit.cli import main

main()
