"""Recipes written to the disk: the old one or the new one, whatever happens meanwhile."""

import os
import resource
import subprocess
import sys
import textwrap
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest
import torch

import metaopt

pytestmark = pytest.mark.thorough


def run_python(*arguments):
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    return subprocess.run(
        [sys.executable, *arguments], capture_output=True, text=True, env=environment, check=True, timeout=120
    )


FULL_DISK = textwrap.dedent(
    """
    import sys, torch
    from dataclasses import replace
    import metaopt
    folder = sys.argv[1]
    recipe = metaopt.load_recipe(folder)
    if sys.argv[2] == "limit":
        import resource, signal
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))
    try:
        replace(recipe, theta={"big": torch.randn(100_000)}).save(folder)
    except metaopt.RecipeError as error:
        print(error)
    """
)


def test_saving_again_replaces_it_and_drops_weights_that_are_gone(recipe, tmp_path):
    recipe.save(tmp_path)
    other = replace(recipe, theta=None)
    other.save(tmp_path)
    assert metaopt.load_recipe(tmp_path) == other != recipe
    assert [path.name for path in tmp_path.iterdir()] == ["recipe.json"]


def test_a_full_disk_while_saving_leaves_the_old_recipe(recipe, tmp_path):
    """On a really full file system where we may mount one, else under a limit on file sizes."""
    disk = tmp_path / "disk"
    disk.mkdir()
    mounted = os.geteuid() == 0 and not subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(disk)], capture_output=True, check=False
    ).returncode  # fmt: skip
    try:
        recipe.save(disk / "mine")
        done = run_python("-c", FULL_DISK, str(disk / "mine"), "full" if mounted else "limit")
        cause = "No space left on device" if mounted else "File too large"
        assert f"could not be written to {str(disk / 'mine')!r}: {cause}; the recipe that was there is unchanged" in (
            done.stdout
        )
        assert len(done.stdout.splitlines()) == 1
        assert metaopt.load_recipe(disk / "mine") == recipe
        assert len(list((disk / "mine").iterdir())) == 2
    finally:
        if mounted:
            subprocess.run(["umount", str(disk)], check=True)


def test_a_file_size_limit_while_saving_leaves_the_old_recipe(recipe, tmp_path):
    assert resource.RLIMIT_FSIZE
    recipe.save(tmp_path / "mine")
    done = run_python("-c", FULL_DISK, str(tmp_path / "mine"), "limit")
    assert "File too large; the recipe that was there is unchanged" in done.stdout
    assert metaopt.load_recipe(tmp_path / "mine") == recipe


def test_a_folder_that_cannot_be_made_says_so(recipe, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(metaopt.RecipeError, match=r"could not be written to .*file/mine'"):
        recipe.save(tmp_path / "file" / "mine")


KILLED = """
import os, sys, metaopt
from pathlib import Path

def counted(real):
    def call(*arguments, **options):
        global calls
        calls += 1
        if calls == fatal:
            os.kill(os.getpid(), 9)
        return real(*arguments, **options)
    return call

before, after = (metaopt.load_recipe(path) for path in sys.argv[1:3])
for fatal in range(1, 30):
    home, calls = Path(sys.argv[3], str(fatal)), 0
    before.save(home)
    if not (child := os.fork()):
        for owner, name in ((os, "replace"), (os, "fsync"), (os, "unlink"), (Path, "unlink")):
            setattr(owner, name, counted(getattr(owner, name)))
        after.save(home)
        os._exit(0)
    survived = os.waitpid(child, 0)[1] == 0
    assert metaopt.load_recipe(home) in (before, after)
    if survived:
        break
    before.save(home)  # tidies up
    names = {path.name for path in home.iterdir()}
    assert names == {"recipe.json", *(["theta.safetensors"] if before.theta else [])}, names
assert metaopt.load_recipe(home) == after
print(fatal - 1, "kills")
"""


@pytest.mark.parametrize(("old", "new"), [(True, True), (True, False), (False, True)])
def test_a_kill_at_any_moment_of_a_save_leaves_the_old_recipe_or_the_new_one(recipe, tmp_path, old, new):
    before = recipe if old else replace(recipe, theta=None)
    before.save(tmp_path / "before")
    replace(recipe, theta={"w": torch.ones(3)} if new else None, provenance={"name": "new"}).save(tmp_path / "after")
    done = run_python("-c", KILLED, str(tmp_path / "before"), str(tmp_path / "after"), str(tmp_path / "homes"))
    assert int(done.stdout.split()[0]) >= 4


def test_savers_of_one_folder_leave_the_recipe_of_one_of_them(recipe, tmp_path):
    several = [replace(recipe, theta={"w": torch.full((1000,), float(number))}) for number in range(8)]
    with ThreadPoolExecutor(8) as pool:
        saved = pool.map(lambda recipe: recipe.save(tmp_path), several * 4)
        read = []
        while len(read) < 30:
            if (tmp_path / "recipe.json").exists():
                read.append(metaopt.load_recipe(tmp_path))
        list(saved)
    assert all(recipe in several for recipe in [*read, metaopt.load_recipe(tmp_path)])
    assert sorted(path.name for path in tmp_path.iterdir()) == ["recipe.json", "theta.safetensors"]


def test_links_are_replaced_and_not_followed(recipe, tmp_path):
    (tmp_path / "precious").write_text("precious")
    (tmp_path / "mine").mkdir()
    for name in ("recipe.json", "theta.safetensors"):
        (tmp_path / "mine" / name).symlink_to(tmp_path / "precious")
    recipe.save(tmp_path / "mine")
    assert (tmp_path / "precious").read_text() == "precious"
    assert metaopt.load_recipe(tmp_path / "mine") == recipe


def test_a_folder_may_be_a_link_to_a_folder(recipe, tmp_path):
    (tmp_path / "real").mkdir()
    (tmp_path / "mine").symlink_to(tmp_path / "real")
    recipe.save(tmp_path / "mine")
    assert metaopt.load_recipe(tmp_path / "real") == recipe
    (tmp_path / "lost").symlink_to(tmp_path / "nowhere")
    with pytest.raises(metaopt.RecipeError, match=r"could not be written to .*lost"):
        recipe.save(tmp_path / "lost")
