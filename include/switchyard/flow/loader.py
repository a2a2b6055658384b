"""The old place of `load_flow` and `load_flows`: importing them from here works, with a deprecation warning."""

from __future__ import annotations

import warnings

from switchyard.flow.files import loader


def __getattr__(name: str) -> object:
    """Look a name up in its new module; raises AttributeError as any module does."""
    value: object = getattr(loader, name)
    warnings.warn(
        f"import {name} from switchyard.flow.files.loader: switchyard.flow.loader will be gone",
        DeprecationWarning,
        stacklevel=2,
    )
    return value
