"""The values of a local.settings.json."""

from __future__ import annotations

import json
from pathlib import Path

from shared.core.errors import SettingsError


def read_local_settings(path: Path) -> dict[str, str]:
    """Return `Values` of a local.settings.json.

    Raises
    ------
    SettingsError
        If the file is not JSON, is encrypted, or holds values that are not text.
    """
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
    except json.JSONDecodeError as error:
        raise SettingsError(f"{path.name} is not JSON: {error}") from error
    values = document.get("Values", {})
    if document.get("IsEncrypted"):
        raise SettingsError(f"{path.name} is encrypted; only plain settings can be read")
    bad = sorted(name for name, value in values.items() if not isinstance(value, str))
    if bad:
        raise SettingsError(f"{path.name} must hold texts, got other values for {bad}")
    return dict(values)
