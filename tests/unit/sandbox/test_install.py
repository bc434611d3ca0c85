"""Setting up: what a lock names comes into the environment, and what is told of it."""

from __future__ import annotations

import base64
import hashlib
import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from sandbox import install
from simulation.market.scenario import ROOT


def _wheel(folder: Path, name: str) -> str:
    """Write a package that holds one line; return its line of a lock."""
    path = folder / f"{name}-1.0-py3-none-any.whl"
    info = f"{name}-1.0.dist-info"
    files = {
        f"{name}.py": "IS_HERE = True\n",
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n",
        f"{info}/WHEEL": "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    record = ""
    for file, text in files.items():
        sha = base64.urlsafe_b64encode(hashlib.sha256(text.encode()).digest()).rstrip(b"=").decode()
        record += f"{file},sha256={sha},{len(text)}\n"
    with zipfile.ZipFile(path, "w") as wheel:
        for file, text in {**files, f"{info}/RECORD": f"{record}{info}/RECORD,,\n"}.items():
            wheel.writestr(file, text)
    return f"{name}==1.0 \\\n    --hash=sha256:{hashlib.sha256(path.read_bytes()).hexdigest()}\n"


class _Place:
    """A folder with locks, packages to be had, and a uv that cannot get them."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.venv = folder / "venv"
        uv = folder / "bin" / "uv"
        uv.parent.mkdir()
        uv.write_text("#!/bin/sh\necho 'uv knows no index'\nexit 2\n")
        uv.chmod(0o755)
        (folder / "packages").mkdir()

    def lock(self, name: str, *packages: str) -> Path:
        path = self.folder / f"requirements-{name}.txt"
        path.write_text("".join(_wheel(self.folder / "packages", each) for each in packages))
        return path

    def install(self, lock: Path) -> subprocess.CompletedProcess[str]:
        paths = {"PATH": f"{self.folder / 'bin'}:{os.environ['PATH']}", "PIP_FIND_LINKS": str(self.folder / "packages")}
        given = {**os.environ, **paths, "PIP_NO_INDEX": "1", "PIP_EXTRA_INDEX_URL": "file:///nowhere/at/all"}
        command = [sys.executable, str(ROOT / "sandbox/install.py"), str(self.venv), str(lock)]
        return subprocess.run(command, env=given, capture_output=True, text=True, check=False)

    def age(self, stamp: str, lock: Path) -> None:
        """Make a lock newer than what was installed of it, by as little as can be."""
        changed_ns = (self.venv / stamp).stat().st_mtime_ns + 1
        os.utime(lock, ns=(changed_ns, changed_ns))

    @property
    def modules(self) -> set[str]:
        return {path.stem for path in (self.venv / "lib").rglob("site-packages/*.py")}

    @property
    def stamps(self) -> set[str]:
        return {path.name for path in self.venv.glob(".*") if path.name != ".gitignore"}


def test_sets_come_on_top_of_each_other_and_a_changed_lock_makes_all_anew(tmp_path: Path) -> None:
    place = _Place(tmp_path)
    light, whole = place.lock("light", "one"), place.lock("whole", "one", "two")

    done = place.install(light)
    assert done.returncode == 0, done.stderr
    assert "uv knows no index" in done.stderr  # told, and pip is tried
    assert "WARNING" not in done.stdout + done.stderr
    assert "1 packages" in done.stdout
    assert (place.modules, place.stamps) == ({"one"}, {".light"})

    assert place.install(whole).returncode == 0
    assert (place.modules, place.stamps) == ({"one", "two"}, {".light", ".whole"})
    assert place.install(light).stdout == ""  # the whole covers it

    light = place.lock("light", "three")
    place.age(".light", light)
    assert place.install(light).returncode == 0
    assert (place.modules, place.stamps) == ({"three"}, {".light"})

    lacking = tmp_path / "requirements-lacking.txt"
    lacking.write_text(f"four==4.0 \\\n    --hash=sha256:{'0' * 64}\n")
    failed = place.install(lacking)
    assert failed.returncode == 1
    assert "four==4.0" in failed.stderr
    assert "requirements-lacking.txt could not be installed" in failed.stderr
    assert place.stamps == {".light"}  # so that the next make tries again


@pytest.mark.parametrize(
    ("lines", "told"),
    [
        (
            ["Collecting aiohttp==3.14.5", "  Downloading aiohttp-3.14.5-cp313-any.whl (1.9 MB)"],
            "2 MB fetched, 0 s: aiohttp (1.9 MB)",
        ),
        (
            ["Downloading pyarrow (52.5MiB)", "Downloading streamlit (10.7MiB)"],
            "63 MB fetched, 0 s: streamlit (10.7MiB)",
        ),
        (["Processing /wheels/azure_core-1.41.0-py3-none-any.whl (from -r x)"], "0 MB fetched, 0 s: azure_core"),
        (["  Downloading a-1.whl (512 kB)", "Installing collected packages: a, b"], "1 MB fetched, 0 s: unpacking"),
    ],
    ids=["pip", "uv", "from a folder", "at the end"],
)
def test_progress_says_what_comes_and_how_much(lines: list[str], told: str) -> None:
    progress = install.Progress(".venv")
    for line in lines:
        progress.read(line)
    assert progress.line() == f".venv: {told}"


def test_the_light_set_is_part_of_the_whole_and_without_what_only_tests_need() -> None:
    light, whole = (install.pins(ROOT / f"requirements-{name}.txt") for name in ("sandbox", "dev"))
    assert install.pins(ROOT / "requirements.txt") < light < whole
    names = {pin.partition("==")[0] for pin in light}
    assert not names & {
        "mypy",
        "playwright",
        "mlflow-skinny",
        "schemathesis",
        "mutmut",
        "duckdb",
        "pytest",
        "streamlit",
    }
