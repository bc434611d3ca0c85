"""The libraries of the deployed package: what requirements.txt installs here, without what the app never loads.

Azure would install them itself, from the same lock, in a remote build: that build is cut off after sixty seconds, and
what it installs is 190 MB more. A cold start reads the package from Blob, so its size is paid in time at each of them.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from fnmatch import fnmatchcase
from importlib.metadata import Distribution, PackageNotFoundError, distribution
from pathlib import Path, PurePosixPath

from shared.core.errors import SettingsError

SITE = Path(".python_packages/lib/site-packages")
"""Where Azure's Python worker looks for libraries that come with the package."""

TARGET = ("linux-x86_64", (3, 13))
"""Platform and Python of the hosting plan: compiled libraries must be made for them."""

LEFT_OUT: dict[str, str] = {
    "*.pyc": "compiled at the first import, for the Python that imports",
    "tests/*": "a library's own tests",
    "*/tests/*": "a library's own tests",
    "*.pyi": "for type checkers",
    "*.pyx": "source of what is compiled",
    "*.pxd": "source of what is compiled",
    "*.pxi": "source of what is compiled",
    "*.c": "source of what is compiled",
    "*.cc": "source of what is compiled",
    "*.h": "for who compiles against a library",
    "*.hpp": "for who compiles against a library",
    "*.a": "for who links against a library",
    "pyarrow/include/*": "for who compiles against it",
    "pyarrow/libarrow_flight.so*": "Arrow's network protocol: we read and write parquet in memory",
    "pyarrow/_flight*": "its Python half",
    "pyarrow/libarrow_s3.so*": "Amazon's storage",
    "pyarrow/libarrow_python_flight.so*": "Arrow's network protocol",
    "pyarrow/_pyarrow_cpp_tests*": "a library's own tests",
    **dict.fromkeys(
        (f"pyarrow/_{name}.*" for name in ("azurefs", "dataset_orc", "gcsfs", "hdfs", "orc")),
        "other storages and files; pyarrow imports them if they are there",
    ),
    "pycparser/*": "reads C when something is compiled",
    "cffi/*": "compiles it; cryptography needs the part in C alone",
    "websockets/trio/*": "for another event loop",
    "werkzeug/debug/*": "a debugger in the browser",
    "dateutil/zoneinfo/*": "zones of its own",
    "*.dist-info/RECORD": "for who installs and removes",
    "apprise/i18n/*": "its own command's words in other languages",
    "apprise/assets/*": "pictures for notices on a desktop",
    "pyarrow/_s3fs*": "its Python half; pyarrow.fs imports it if it is there",
    "pyarrow/libarrow_python.so": "for the linker: the loader asks for the name with the version",
    "pyarrow/libarrow_python.so.*.*.*": "the same file by its full name",
    "onnxruntime/capi/libonnxruntime.so*": "for programs in C: the Python module carries the runtime itself",
    "onnxruntime/transformers/*": "tools for language models",
    "onnxruntime/tools/*": "tools for phones",
    "onnxruntime/quantization/*": "tools for making models smaller",
    "onnxruntime/datasets/*": "examples",
    # tokenizers asks for it, to fetch a tokenizer that is only named: ours come from Blob.
    **dict.fromkeys(
        (
            f"{name}{part}/*"
            for part in ("", "-*.dist-info")
            for name in (
                *("anyio", "filelock", "fsspec", "h11", "hf_xet", "httpcore2", "httpx2", "huggingface_hub", "tqdm"),
                "truststore",
            )
        ),
        "fetches models from a hub",
    ),
    "pytz/zoneinfo/*": "alpaca-py takes UTC from it, and we the zones of tzdata",
    "pydantic/v1/*": "its own past",
    "numpy/f2py/*": "compiles Fortran",
    "numpy/_core/_*_tests*": "a library's own tests",
    "numpy/_core/_simd.*": "a library's own tests",
}
"""What stays here, as globs below site-packages, and why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Weight:
    """Bytes that a distribution puts into the package, and the bytes it installs."""

    name: str
    version: str
    size_bytes: int
    installed_bytes: int


def is_left_out(name: str) -> bool:
    """Whether a file below site-packages, by its path with slashes, is one that the app never loads."""
    return any(fnmatchcase(name, pattern) for pattern in LEFT_OUT)


def require_target() -> None:
    """Refuse to pack libraries that Azure's machine cannot load.

    Raises
    ------
    SettingsError
        Naming platform and Python found here.
    """
    found = (sysconfig.get_platform(), sys.version_info[:2])
    if found != TARGET:
        (platform, version), (here, python) = TARGET, found
        raise SettingsError(
            f"the package needs libraries for {platform}, Python {version[0]}.{version[1]}; "
            f"this is {here}, Python {python[0]}.{python[1]}: build it in CI, or in a container of that kind"
        )


def place(names: Iterable[str], target: Path) -> list[Weight]:
    """Copy the distributions' files below `target`, strip compiled ones, and say what each weighs, heaviest first.

    Raises
    ------
    SettingsError
        If a distribution is not installed, or `strip` (binutils) is not there.
    """
    copied: dict[str, tuple[Distribution, list[Path], int]] = {}
    for name in names:
        found = _installed(name)
        files = []
        installed = 0
        for source, inner in _files(found):
            installed += source.stat().st_size
            if not is_left_out(inner.as_posix()):
                there = target / inner
                there.parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(source, there)
                files.append(there)
        copied[name] = (found, files, installed)
    _strip([path for _, files, _ in copied.values() for path in files if ".so" in path.suffixes])
    weights = [
        Weight(
            name=name,
            version=found.version,
            size_bytes=sum(path.stat().st_size for path in files),
            installed_bytes=installed,
        )
        for name, (found, files, installed) in copied.items()
    ]
    return sorted(weights, key=lambda weight: (-weight.size_bytes, weight.name))


def _installed(name: str) -> Distribution:
    try:
        return distribution(name)
    except PackageNotFoundError as error:
        raise SettingsError(f"{name} of requirements.txt is not installed: run make setup") from error


def _files(found: Distribution) -> Iterator[tuple[Path, PurePosixPath]]:
    # Scripts go to a folder outside site-packages.
    for file in found.files or ():
        if ".." in file.parts or file.suffix == ".pyc":
            continue
        source = Path(str(file.locate()))
        if source.is_file():
            yield source, PurePosixPath(*file.parts)


def _strip(libraries: list[Path]) -> None:
    """Take from shared libraries what only a debugger reads: 40 MB in all."""
    tool = shutil.which("strip")
    if tool is None:
        raise SettingsError("strip is not installed: it is in Debian's and Ubuntu's package binutils")
    subprocess.run([tool, "--strip-unneeded", *map(str, libraries)], check=True, capture_output=True)
