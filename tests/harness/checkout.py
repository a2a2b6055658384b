"""Where this checkout is, so that no test counts the directories above it."""

from __future__ import annotations

from pathlib import Path

CHECKOUT = Path(__file__).resolve().parents[2]
