"""What Maven's own words say about why it failed."""

from __future__ import annotations

import re


def unreachable(said: str) -> bool:
    """Whether it reached no repository; a name or version that none has, or a broken POM, is a fault of ours."""
    ours = "Could not find artifact" in said or "Checksum validation failed" in said
    return not ours and re.search(r"(could not|failed to) transfer", said, re.IGNORECASE) is not None
