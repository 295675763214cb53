"""`python -m alftbench.cli`."""

from alftbench.cli import main

main()
