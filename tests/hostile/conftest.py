from __future__ import annotations

from pathlib import Path

# Looked at for doctests, the modules of cases would be imported twice, and list each case twice.
collect_ignore = [
    file.name for file in Path(__file__).parent.glob("*.py") if not file.name.startswith("test_")
]
