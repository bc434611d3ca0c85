"""What is deployed: the right files, nothing missing beside the lock, and it starts in Azure's worker library."""

from __future__ import annotations

import json
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from sandbox.package import build, describe, locked, main, package_files, patterns, weigh
from sandbox.world import ROOT
from shared.core.errors import SettingsError

OURS = {"function_app.py", "functions", "host.json", "requirements.txt", "shared"}
STAYS = {
    "azure.yaml", "benchmarks", "CHANGELOG.md", "CONTRIBUTING.md", "dashboard", "dist", "docs", "infra", "LICENSE",
    "local.settings.json", "local.settings.json.example", "Makefile", "mutants", "pyproject.toml", "README.md",
    "requirements-dev.txt", "requirements-infra.txt", "sandbox", "tests", "training",
}  # fmt: skip


@pytest.fixture(scope="module")
def package(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("dist")
    build(ROOT, out)
    return out / "app"


def run(code: str, cwd: Path, *arguments: str) -> str:
    """Run code in a fresh interpreter that sees the package, and of the checkout only what the code asks for."""
    command = [sys.executable, "-P", "-c", textwrap.dedent(code), *arguments]
    done = subprocess.run(command, cwd=cwd, capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_every_entry_of_the_checkout_is_deployed_or_named_as_staying() -> None:
    entries = {path.name for path in ROOT.iterdir() if not path.name.startswith(".")} - {"__pycache__"}
    assert entries <= OURS | STAYS
    assert {path.parts[0] for path, _ in describe(ROOT).files} == OURS


def test_package_holds_every_source_file_and_nothing_of_the_machine(package: Path) -> None:
    def sources(root: Path) -> set[Path]:
        return {path.relative_to(root) for name in ("functions", "shared") for path in (root / name).rglob("*.py")}

    assert sources(package) == sources(ROOT)
    assert not list(package.rglob("__pycache__"))
    assert (package / "shared/adapters/xnys.json").is_file()


def test_same_files_give_the_same_archive(package: Path, tmp_path: Path) -> None:
    build(ROOT, tmp_path)
    assert (tmp_path / "app.zip").read_bytes() == (package.parent / "app.zip").read_bytes()


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


def test_distribution_that_is_not_installed_is_named() -> None:
    with pytest.raises(SettingsError, match="no-such-distribution"):
        list(weigh(["no-such-distribution"]))


def test_command_says_what_weighs_what(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--out", str(tmp_path)]) == 0
    shown = capsys.readouterr().out
    assert "pyarrow" in shown
    assert "unpacked in Azure (goal 250 MB)" in shown


def test_package_starts_in_the_worker_library_from_its_own_folder(package: Path) -> None:
    code = """
        import asyncio, json, os, sys
        from pathlib import Path
        package, checkout = Path(sys.argv[1]), sys.argv[2]
        sys.path.insert(0, str(package))
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
        ours = ("shared", "functions", "function_app")
        elsewhere = [n for n, m in sys.modules.items() if n.split(".")[0] in ours
                     and getattr(m, "__file__", None) and package not in Path(m.__file__).parents]
        print(json.dumps({"names": names, "elsewhere": elsewhere}))
    """
    found = json.loads(run(code, package, str(package), str(ROOT)))
    assert found["elsewhere"] == []
    assert {"scan_market", "order_lifecycle", "poison_notices", "show_status"} <= set(found["names"])


def test_every_import_of_the_package_is_in_the_lock(package: Path) -> None:
    """Also those inside functions, which only a running stage would meet."""
    code = """
        import ast, importlib, json, re, sys
        from importlib.metadata import packages_distributions
        from pathlib import Path
        package = Path(sys.argv[1])
        sys.path.insert(0, str(package))
        def spelled(name):
            return re.sub(r"[-_.]+", "-", name).lower()
        locked = set(json.loads(sys.argv[2]))
        refused = {top for top, owners in packages_distributions().items() if not locked & set(map(spelled, owners))}
        class Refuser:
            def find_spec(self, name, path=None, target=None):
                if name.split(".")[0] in refused:
                    raise ModuleNotFoundError(f"{name} is not in requirements.txt", name=name)
                return None
        sys.meta_path.insert(0, Refuser())
        wanted = set()
        for path in sorted(package.rglob("*.py")):
            wanted.add(".".join(path.relative_to(package).with_suffix("").parts).removesuffix(".__init__"))
            for node in ast.walk(ast.parse(path.read_text())):
                if isinstance(node, ast.Import):
                    wanted |= {alias.name for alias in node.names}
                elif isinstance(node, ast.ImportFrom):
                    wanted.add(node.module)
        for name in sorted(wanted):
            importlib.import_module(name)
        try:
            import rich
        except ModuleNotFoundError:
            print(len(wanted))
    """
    names = locked((ROOT / "requirements.txt").read_text(encoding="utf-8"))
    assert int(run(code, package, str(package), json.dumps(names))) > 80


def test_indexing_the_package_loads_nothing_heavy(package: Path) -> None:
    code = """
        import sys
        sys.path.insert(0, sys.argv[1])
        import function_app
        heavy = ("pandas", "pyarrow", "alpaca", "talib", "onnxruntime", "pydantic")
        print(*[name for name in heavy if name in sys.modules])
    """
    assert run(code, package, str(package)).split() == []
