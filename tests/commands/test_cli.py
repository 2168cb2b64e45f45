from __future__ import annotations

import subprocess
import sys


def test_help_comes_at_once() -> None:
    code = (
        "import sys; from facegeom_lit.commands.cli import main; main(['--help']); "
        "sys.exit(' '.join({'torch', 'scipy', 'matplotlib'} & set(sys.modules)) or 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert "facegeom NAME" in done.stdout
