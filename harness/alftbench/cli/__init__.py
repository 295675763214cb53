"""The command line: parse, call, print; no logic. Nothing heavy is imported before a command needs it."""

# Importing a module adds its commands: this is the order in --help.
from alftbench.cli import running, grading, interop, theory, suites, listing
from alftbench.cli.app import app, main

__all__ = ["app", "grading", "interop", "listing", "main", "running", "suites", "theory"]
