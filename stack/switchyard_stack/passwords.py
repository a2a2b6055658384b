"""Passwords and keys of the stack: random, made once, in one file of mode 0600."""

from __future__ import annotations

import base64
import json
import os
import secrets
from collections.abc import Callable, Mapping
from pathlib import Path


def _password() -> str:
    return secrets.token_hex(16)


def _fernet_key() -> str:
    return base64.urlsafe_b64encode(secrets.token_bytes(32)).decode()


NAMES: Mapping[str, Callable[[], str]] = {
    "postgres": _password,
    "powergrid": _password,
    "simbench": _password,
    "ledger": _password,
    "hive": _password,
    "airflow": _password,
    "mongo": _password,
    "redis": _password,
    "airflow_admin": _password,
    "airflow_fernet": _fernet_key,
    "airflow_jwt": _password,
    "airflow_api": _password,
}


def remembered_secrets(path: Path) -> dict[str, str]:
    """The secrets of this state directory; generates and stores the missing ones."""
    secrets_of_state: dict[str, str] = json.loads(path.read_text()) if path.exists() else {}
    missing = {name: make() for name, make in NAMES.items() if name not in secrets_of_state}
    if missing:
        write_private(path, json.dumps({**secrets_of_state, **missing}, indent=2) + "\n")
    return {**secrets_of_state, **missing}


def write_private(path: Path, text: str) -> None:
    """Write a file that only its owner can read, whole or not at all."""
    new = path.with_name(path.name + ".new")
    new.unlink(missing_ok=True)
    with os.fdopen(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(text)
    new.replace(path)
