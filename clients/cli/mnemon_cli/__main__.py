"""`python -m mnemon_cli` is the command `mnemon`."""

from mnemon_cli.main import main

main()
