"""`python -m switchyard` is `switchyard`."""

from switchyard.cli import main

main()
