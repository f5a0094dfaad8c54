"""`python -m gobstopper` is the command line."""

from .cli import main

main(prog_name="gobstopper")
