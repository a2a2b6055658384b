"""What a command of the stack or of the bench prints when it fails: a sentence and its cure, and no traceback."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import typer
from rich.console import Console
from rich.markup import escape

from switchyard_stack.errors import StackError


@contextmanager
def errors_in_plain_words(console: Console) -> Iterator[None]:
    """Print a StackError and its cure; the command ends with 1."""
    try:
        yield
    except StackError as error:
        console.print(f"[bold red]error[/] {escape(error.what)}")
        if error.cure:
            console.print(f"  → {escape(error.cure)}")
        raise typer.Exit(1) from None
