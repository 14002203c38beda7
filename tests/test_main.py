"""`python -m metaopt` is `metaopt`."""

import shutil
import subprocess
import sys
import sysconfig

import pytest

pytestmark = pytest.mark.thorough

MODULE = [sys.executable, "-m", "metaopt"]


@pytest.mark.parametrize("arguments", [["--help"], ["plugin"], ["show", "nowhere"]])
def test_the_module_says_what_the_command_says(arguments):
    command = shutil.which("metaopt", path=sysconfig.get_path("scripts"))
    done = [
        subprocess.run([*start, *arguments], capture_output=True, text=True, check=False)
        for start in ([command], MODULE)
    ]
    assert (done[0].returncode, done[0].stdout, done[0].stderr) == (done[1].returncode, done[1].stdout, done[1].stderr)
    assert "python" not in done[1].stderr


def test_half_characters_in_arguments_end_in_a_sentence():
    done = subprocess.run([*MODULE, "show", b"\xff\xfe"], capture_output=True, check=False)
    assert done.returncode == 2
    assert done.stderr.startswith(b"error: No recipe at '\\udcff\\udcfe'.")
