"""kubectl of the bench, called as a person would."""

from __future__ import annotations

import subprocess
from dataclasses import dataclass
from pathlib import Path

from switchyard_stack.errors import StackError


@dataclass(frozen=True)
class Kubectl:
    """The program and the kubeconfig that it takes."""

    program: Path
    kubeconfig: Path

    def run(self, *words: str, stdin: str | None = None) -> str:
        """Run a command and return what it prints; raises StackError with kubectl's own words."""
        done = self.attempt(*words, stdin=stdin)
        if done.returncode != 0:
            raise StackError(
                f"`kubectl {' '.join(words)}`: {done.stderr.strip()}",
                cure="`switchyard cluster status` shows which servers run, `switchyard cluster logs` what they say",
            )
        return done.stdout

    def attempt(self, *words: str, stdin: str | None = None) -> subprocess.CompletedProcess[str]:
        """Run a command that may fail."""
        return subprocess.run(
            [str(self.program), "--kubeconfig", str(self.kubeconfig), *words],
            input=stdin,
            stdin=subprocess.DEVNULL if stdin is None else None,
            capture_output=True,
            text=True,
        )

    def apply(self, manifest: str) -> None:
        """Apply a manifest, as the server merges it."""
        self.run("apply", "--server-side", "--force-conflicts", "--filename", "-", stdin=manifest)
