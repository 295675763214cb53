"""The command line: parse, call, print; no logic. Nothing heavy is imported before a command needs it."""

# Importing a module adds its commands: this is the order in --help.
from alftbench.cli import evaluate, train, compare, grading, interop, theory, rules, suites, listing, trainers
from alftbench.cli.app import app, main

__all__ = [
    "app",
    "compare",
    "evaluate",
    "grading",
    "interop",
    "listing",
    "main",
    "rules",
    "suites",
    "theory",
    "train",
    "trainers",
]
