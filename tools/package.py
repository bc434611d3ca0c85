"""`python -m tools.package`: build what is deployed, and say what weighs what.

Our files are everything under the checkout but what .funcignore names; beside them go the libraries that
requirements.txt locks, taken from the environment this runs in.
"""

from __future__ import annotations

import argparse
import re
import shutil
import sys
import zipfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from shared.core.errors import SettingsError
from simulation.market.scenario import ROOT
from tools.package_libraries import SITE, Weight, place, require_target

GOAL_MB = 250.0
MB = 1_000_000
SHOWN = 12
_EPOCH = (1980, 1, 1, 0, 0, 0)
"""The earliest date that a zip can hold: the same files give the same bytes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Package:
    """What is deployed: our files, relative to the checkout, with their bytes; and the libraries beside them."""

    files: tuple[tuple[Path, int], ...]
    weights: tuple[Weight, ...]

    @property
    def own_bytes(self) -> int:
        """Bytes of our files."""
        return sum(size for _, size in self.files)

    @property
    def unpacked_bytes(self) -> int:
        """Bytes of everything, unpacked."""
        return self.own_bytes + sum(weight.size_bytes for weight in self.weights)

    @property
    def left_out_bytes(self) -> int:
        """Bytes that the libraries install and that are not packed."""
        return sum(weight.installed_bytes - weight.size_bytes for weight in self.weights)


def patterns(text: str) -> tuple[str, ...]:
    """Patterns of a .funcignore: names and globs, matched against every part of a path.

    Raises
    ------
    SettingsError
        If a pattern says more than that: the tools that read the file differ in how they take the rest of git's syntax.
    """
    lines = [line.strip() for line in text.splitlines()]
    found = tuple(line for line in lines if line and not line.startswith("#"))
    odd = [line for line in found if not re.fullmatch(r"[\w.*-]+", line) or "**" in line]
    if odd:
        raise SettingsError(f".funcignore: expected plain names or globs, got {' '.join(odd)}")
    return found


def package_files(root: Path, ignored: Sequence[str]) -> Iterator[Path]:
    """Files below `root`, relative to it, that no pattern names, in order."""
    for path in sorted(root.iterdir()):
        if any(fnmatchcase(path.name, pattern) for pattern in ignored):
            continue
        if path.is_dir():
            yield from (Path(path.name) / inner for inner in package_files(path, ignored))
        else:
            yield Path(path.name)


def locked(text: str) -> tuple[str, ...]:
    """Names of the distributions that a lock installs here."""
    found = []
    for line in re.findall(r"^[A-Za-z0-9][^\\\n#]*", text, re.MULTILINE):
        requirement = Requirement(line.strip())
        if requirement.marker is None or requirement.marker.evaluate():
            found.append(canonicalize_name(requirement.name))
    return tuple(found)


def own_files(root: Path) -> tuple[tuple[Path, int], ...]:
    """Our files of a checkout, relative to it, with their bytes."""
    ignored = patterns((root / ".funcignore").read_text(encoding="utf-8"))
    return tuple((path, (root / path).stat().st_size) for path in package_files(root, ignored))


def build(root: Path, out: Path) -> Package:
    """Write the folder `out/app/`, ready to run.

    Raises
    ------
    SettingsError
        If a library of requirements.txt is not installed here, or this machine's are not Azure's.
    """
    require_target()
    app = out / "app"
    shutil.rmtree(app, ignore_errors=True)
    files = own_files(root)
    for path, _ in files:
        (app / path).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(root / path, app / path)
    names = locked((root / "requirements.txt").read_text(encoding="utf-8"))
    return Package(files=files, weights=tuple(place(names, app / SITE)))


def pack(app: Path, archive: Path) -> None:
    """Zip a folder; equal files give equal bytes."""
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as packed:
        for path in sorted(path for path in app.rglob("*") if path.is_file()):
            entry = zipfile.ZipInfo(path.relative_to(app).as_posix(), _EPOCH)
            entry.external_attr = 0o644 << 16
            packed.writestr(entry, path.read_bytes(), zipfile.ZIP_DEFLATED)


def show(made: Package, out: Path) -> None:
    """Print the package by folder and the heaviest of what is installed beside it."""
    folders: dict[str, tuple[int, int]] = {}
    for path, size in made.files:
        count, total = folders.get(path.parts[0], (0, 0))
        folders[path.parts[0]] = (count + 1, total + size)
    for name, (count, size) in sorted(folders.items()):
        print(f"{size / 1000:9.1f} kB  {name}{f' ({count} files)' if count > 1 else ''}")
    print()
    for weight in made.weights[:SHOWN]:
        print(f"{weight.size_bytes / MB:9.1f} MB  {weight.name} {weight.version}")
    rest = made.weights[SHOWN:]
    print(f"{sum(weight.size_bytes for weight in rest) / MB:9.1f} MB  {len(rest)} more of requirements.txt")
    print(f"{made.left_out_bytes / MB:9.1f} MB  left out, since the app never loads it")
    print()
    archive = out / "app.zip"
    print(f"{archive.stat().st_size / MB:9.1f} MB  {archive}")
    print(f"{made.unpacked_bytes / MB:9.1f} MB  unpacked in Azure (goal {GOAL_MB:.0f} MB)")


def main(arguments: Sequence[str] | None = None) -> int:
    """Build the package and print what it weighs."""
    parser = argparse.ArgumentParser(prog="python -m tools.package", description=__doc__)
    parser.add_argument("--out", type=Path, default=ROOT / "dist", help="folder that receives app/ and app.zip")
    options = parser.parse_args(arguments)
    made = build(ROOT, options.out)
    pack(options.out / "app", options.out / "app.zip")
    show(made, options.out)
    return 0


if __name__ == "__main__":
    sys.exit(main())
