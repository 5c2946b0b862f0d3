import subprocess
import sys

import pytest

# With `email`, or thousands of lines, or many dataclasses: tens of milliseconds before the first answer.
LATE = ["importlib.metadata", "psutil", "starlette", "swapyard.api.services", "swapyard.app.monitoring"]


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere processes are found by psutil")
def test_what_is_slow_to_import_and_not_needed_to_serve_comes_behind_the_listener() -> None:
    code = "import sys, swapyard.cli, swapyard.app, swapyard.config.load, swapyard.config.watch, swapyard.runtime.strategies"
    code += "\nprint(*sys.modules)"
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert not set(LATE) & set(ran.stdout.split())
