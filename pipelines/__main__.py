"""`python -m pipelines` is the command line of cli.py."""

from pipelines.cli import main

main()
