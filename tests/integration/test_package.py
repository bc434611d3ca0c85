"""What is deployed: the right files, nothing missing beside the lock, and it starts in Azure's worker library."""

from __future__ import annotations

import json
import subprocess
import sys
import textwrap
import zipfile
from fnmatch import fnmatchcase
from importlib.metadata import distribution
from pathlib import Path

import pytest

from shared.adapters.codec import encode_json
from shared.core.errors import SettingsError
from simulation.market.scenario import ROOT
from tests.support.models import tiny_model
from tools.package import GOAL_MB, MB, Package, build, locked, own_files, pack, package_files, patterns, show
from tools.package_libraries import LEFT_OUT, SITE, is_left_out, place, require_target

OURS = {"function_app.py", "functions", "host.json", "requirements.txt", "shared"}
STAYS = {
    *("sandbox", "simulation", "training", "tools", "tests", "dashboard"),
    *("benchmarks", "infra", "docs", "dist", "mutants"),
    *("compose.yaml", "Dockerfile"),
    *("azure.yaml", "local.settings.json", "local.settings.json.example", "Makefile", "pyproject.toml"),
    *("CHANGELOG.md", "CONTRIBUTING.md", "LICENSE", "README.md"),
    *(f"requirements-{part}.txt" for part in ("dashboard", "dev", "infra", "language", "sandbox", "training")),
}


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Package]:
    out = tmp_path_factory.mktemp("dist")
    return out, build(ROOT, out)


@pytest.fixture(scope="module")
def package(made: tuple[Path, Package]) -> Path:
    return made[0] / "app"


def run(code: str, cwd: Path, *arguments: str, flags: str = "-P") -> str:
    """Run code in a fresh interpreter that sees of package, checkout and libraries only what the code asks for."""
    command = [sys.executable, flags, "-c", textwrap.dedent(code), *arguments]
    done = subprocess.run(command, cwd=cwd, capture_output=True, text=True, check=False, timeout=900)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_every_entry_of_the_checkout_is_deployed_or_named_as_staying() -> None:
    entries = {path.name for path in ROOT.iterdir() if not path.name.startswith(".")} - {"__pycache__"}
    assert entries <= OURS | STAYS
    assert {path.parts[0] for path, _ in own_files(ROOT)} == OURS


def test_package_holds_every_source_file_and_nothing_of_the_machine(package: Path) -> None:
    def sources(root: Path) -> set[Path]:
        return {path.relative_to(root) for name in ("functions", "shared") for path in (root / name).rglob("*.py")}

    assert sources(package) == sources(ROOT)
    assert not list(package.rglob("__pycache__"))
    assert (package / "shared/adapters/xnys.json").is_file()


def test_same_files_give_the_same_archive(package: Path, tmp_path: Path) -> None:
    for name in ("a.zip", "b.zip"):
        pack(package / "shared", tmp_path / name)
    assert (tmp_path / "a.zip").read_bytes() == (tmp_path / "b.zip").read_bytes()
    with zipfile.ZipFile(tmp_path / "a.zip") as archive:
        assert archive.read("ports.py") == (ROOT / "shared/ports.py").read_bytes()


def test_pattern_that_tools_read_differently_is_refused() -> None:
    assert patterns("# why\n\ntests\n*.pyc\n") == ("tests", "*.pyc")
    for odd in ("!functions", "/docs", "docs/", "a/b", "**"):
        with pytest.raises(SettingsError, match="expected plain names"):
            patterns(odd)


def test_pattern_leaves_out_a_name_wherever_it_stands(tmp_path: Path) -> None:
    for name in ("a.py", "a.pyc", "inner/b.py", "inner/tests/c.py", "tests/d.py"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    assert list(package_files(tmp_path, ("tests", "*.pyc"))) == [Path("a.py"), Path("inner/b.py")]


def test_lock_names_what_is_installed_here_only() -> None:
    text = 'aiohttp==3.14.5 \\\n    --hash=sha256:00\n    # via x\nPyWin32==1 ; sys_platform == "win32"\nNumPy==2\n'
    assert locked(text) == ("aiohttp", "numpy")


def test_distribution_that_is_not_installed_is_named(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="no-such-distribution"):
        place(["no-such-distribution"], tmp_path)


def test_libraries_of_another_machine_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sysconfig.get_platform", lambda: "macosx-14.0-arm64")
    with pytest.raises(SettingsError, match=r"this is macosx-14\.0-arm64"):
        require_target()


def test_package_is_within_its_goal_and_says_what_weighs_what(
    made: tuple[Path, Package], capsys: pytest.CaptureFixture[str]
) -> None:
    out, package = made
    on_disk = sum(path.stat().st_size for path in (out / "app").rglob("*") if path.is_file())
    assert package.unpacked_bytes == on_disk < GOAL_MB * MB
    (out / "app.zip").touch()
    show(package, out)
    shown = capsys.readouterr().out
    assert "pyarrow" in shown
    assert "unpacked in Azure (goal 250 MB)" in shown


def test_every_reason_to_leave_something_out_meets_a_file() -> None:
    installed = [
        Path(*file.parts).as_posix()
        for name in locked((ROOT / "requirements.txt").read_text(encoding="utf-8"))
        for file in distribution(name).files or ()
    ]
    unmet = {pattern for pattern in LEFT_OUT if not any(fnmatchcase(name, pattern) for name in installed)}
    assert unmet <= {"*.pyc"}  # there where the installer has compiled, which make setup spares itself
    assert not is_left_out("pyarrow/parquet/core.py")


def test_package_starts_in_the_worker_library_from_its_own_folder(package: Path) -> None:
    code = """
        import asyncio, json, os, sys
        from pathlib import Path
        package, checkout = Path(sys.argv[1]), sys.argv[2]
        sys.path[:0] = [str(package), str(package / sys.argv[3])]
        sys.path.append(checkout)  # for the sandbox's host alone: the package's own folders come first
        from sandbox.host.settings import expand
        from sandbox.host.worker import Worker
        settings = json.loads((Path(checkout) / "local.settings.json.example").read_text())["Values"]
        os.environ.update(settings)
        async def start():
            worker = Worker(package, lambda text: expand(text, settings))
            try:
                return [function.name for function in await worker.start()]
            finally:
                await worker.stop()
        names = asyncio.run(start())
        ours = ("shared", "functions", "function_app", "numpy", "pydantic", "werkzeug")
        elsewhere = [n for n, m in sys.modules.items() if n.split(".")[0] in ours
                     and getattr(m, "__file__", None) and package not in Path(m.__file__).parents]
        print(json.dumps({"names": names, "elsewhere": elsewhere}))
    """
    found = json.loads(run(code, package, str(package), str(ROOT), str(SITE)))
    assert found["elsewhere"] == []
    assert {"scan_market", "order_lifecycle", "supervise_evening", "show_status"} <= set(found["names"])


def test_package_imports_everything_it_names_from_itself_alone(package: Path) -> None:
    """Also what stands inside functions, which only a running stage would meet: no other library is there."""
    code = """
        import ast, importlib, sys
        from pathlib import Path
        package = Path.cwd()
        sys.path[:0] = [str(package), str(package / sys.argv[1])]
        wanted = set()
        for path in sorted(path for top in ("functions", "shared") for path in package.glob(f"{top}/**/*.py")):
            wanted.add(".".join(path.relative_to(package).with_suffix("").parts).removesuffix(".__init__"))
            for node in ast.walk(ast.parse(path.read_text())):
                if isinstance(node, ast.Import):
                    wanted |= {alias.name for alias in node.names}
                elif isinstance(node, ast.ImportFrom):
                    wanted.add(node.module)
        for name in sorted(wanted):
            importlib.import_module(name)
        outside = {n for n, m in sys.modules.items() if "site-packages" in (getattr(m, "__file__", None) or "")
                   and package not in Path(m.__file__).parents}
        assert not outside, outside
        print(len(wanted))
    """
    assert int(run(code, package, str(SITE), flags="-ISE")) > 80


def test_package_scores_from_parquet_with_its_own_libraries(package: Path, tmp_path: Path) -> None:
    """What stripping and leaving out could have broken: linear algebra, parquet both ways, indicators, a model."""
    onnx, card = tiny_model()
    (tmp_path / "model.onnx").write_bytes(onnx)
    (tmp_path / "card.json").write_bytes(encode_json(card))
    code = """
        import sys
        from pathlib import Path
        sys.path[:0] = [str(Path.cwd()), str(Path.cwd() / sys.argv[1])]
        import numpy as np
        from shared.adapters.calendar import XnysCalendar
        from shared.adapters.codec import decode_json
        from shared.adapters.history import BlobHistory
        from shared.adapters.memory import MemoryBlobs
        from shared.adapters.scorer import verified
        from shared.contracts.model_card import ModelCard
        from shared.core.market import Bars, Timeframe
        from datetime import date
        folder = Path(sys.argv[2])
        day = XnysCalendar().day(date(2025, 10, 15))
        def bars(seconds, count):
            start = int(day.open_at.timestamp()) - seconds * np.arange(count, 0, -1)
            close = 20 + np.cumsum(np.random.default_rng(1).normal(0, 0.05, count))
            return Bars(start_s=start, open=close, high=close + 0.1, low=close - 0.1, close=close,
                        volume=np.full(count, 1000.0))
        blobs = MemoryBlobs()
        blobs.ensure(["bars"])
        written = {Timeframe.MIN_5: {"ABC": bars(300, 400)}, Timeframe.DAY_1: {"ABC": bars(86_400, 60)}}
        name = BlobHistory(blobs).write(day.on, "0915", written)
        pasts = BlobHistory(blobs).pasts(name, day)
        assert np.allclose(np.linalg.inv(2 * np.eye(64)), 0.5 * np.eye(64))
        card = decode_json(ModelCard, (folder / "card.json").read_bytes())
        model = verified(card, (folder / "model.onnx").read_bytes())
        print(*pasts, model.predict(np.zeros((3, len(model.card.feature_names)))).shape)
    """
    assert run(code, package, str(SITE), str(tmp_path), flags="-ISE").strip() == "ABC (3, 3)"


def test_indexing_the_package_loads_nothing_heavy(package: Path) -> None:
    code = """
        import sys
        sys.path.insert(0, sys.argv[1])
        import function_app
        heavy = ("pandas", "pyarrow", "alpaca", "talib", "onnxruntime", "pydantic")
        print(*[name for name in heavy if name in sys.modules])
    """
    assert run(code, package, str(package)).split() == []
