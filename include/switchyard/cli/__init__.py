"""`switchyard …`: everything that Airflow does, and more, from a shell.

One module per group of commands. `commands.COMMANDS` has the place of each command; a module is imported only when its
command is called. Other distributions add commands by the entry-point group `switchyard.commands`.
"""

from switchyard.cli.app import main

__all__ = ["main"]
