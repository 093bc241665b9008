"""Which Python packages are installed here."""

from __future__ import annotations

from importlib import metadata


def installed_packages() -> dict[str, str]:
    """Return name and version of every installed distribution; never where it came from."""
    return {
        name: distribution.version
        for distribution in metadata.distributions()
        if (name := distribution.metadata["Name"])
    }
