"""Files of a strategy of one's own: an example that runs as it is, and its test."""

from __future__ import annotations

import keyword
import re
from collections.abc import Mapping
from pathlib import Path

from shared.core.errors import SettingsError
from shared.core.settings.strategies import is_strategy_name
from shared.strategies.catalogue import GROUP, installed

_ROOT = Path(__file__).resolve().parents[1]
_STRATEGIES, _TESTS = Path("shared/strategies"), Path("tests/unit/strategies")

_STRATEGY = '''\
"""Say here in a line what the idea is."""

from __future__ import annotations

from dataclasses import dataclass

from shared.strategies import Bars, Needs, Rule, Wishes, parameter


@dataclass(frozen=True, slots=True, kw_only=True)
class {cls}(Rule):
    """Enter where the close has risen over some bars and stands above its mean; leave where it falls below it."""

    name = "{name}"
    needs = Needs(history_bars=78)

    span: int = parameter(20, "bars in the mean", low=5, high=60)
    rise: float = parameter(0.003, "rise over six bars, a fraction, from which it is entered", low=0, high=0.1)
    stop: float = parameter(0.01, "fraction from the close down to the stop", low=0.001, high=0.1)
    hold: int = parameter(24, "bars after which a position is left", low=1, high=78)

    def wishes(self, bars: Bars) -> Wishes:
        """Return the wishes at every bar's close. Row t may use bars up to t only."""
        import talib  # noqa: PLC0415 (it imports pandas: only who computes pays)

        mean = talib.SMA(bars.close, self.span)
        risen = talib.ROCP(bars.close, 6)
        return Wishes(
            enter=(risen > self.rise) & (bars.close > mean),
            leave=bars.close < mean,
            stop=bars.close * (1 - self.stop),
            hold_bars=self.hold,
        )
'''

_TEST = '''\
"""{cls} knows no later bar, keeps to its bounds, and trades."""

from __future__ import annotations

import pytest

from {module} import {cls}
from training.engines import trades_of
from training.strategy_check import check_strategy, made_bars


def test_no_row_knows_a_later_bar() -> None:
    assert check_strategy({cls}(), made_bars()).faults == ()


def test_parameter_out_of_its_bounds_is_refused() -> None:
    with pytest.raises(ValueError, match="span"):
        {cls}(span=1)


def test_it_trades_a_made_series() -> None:
    assert len(trades_of({cls}(), made_bars(20))) > 0
'''

_PROJECT = """\
[build-system]
requires = ["setuptools>=77"]
build-backend = "setuptools.build_meta"

[project]
name = "{base}"
version = "0.1.0"
description = "A strategy for Gatehouse"
requires-python = ">=3.13"

[project.entry-points."{group}"]
{base} = "{module}:{cls}"

[tool.setuptools]
py-modules = ["{module}"]
"""


def require_free(text: str) -> str:
    """Return the name with its version that a new strategy gets.

    Raises
    ------
    SettingsError
        If it can be none, a strategy has it already, or its class would be named as another.
    """
    name = text if re.search(r"\.v[0-9]+\Z", text) else f"{text}.v1"
    base = name.partition(".")[0]
    if not is_strategy_name(name) or keyword.iskeyword(_module(base)):
        raise SettingsError(
            f"{text!r} can be no strategy's name: it must be lower case letters, digits and dashes, such as my-idea, "
            "40 characters at most with its version, and no word of Python's own"
        )
    if name in installed().strategies or name in installed().faults:
        raise SettingsError(f"a strategy is named {name} already")
    pattern = re.compile(rf"^class {_class(base)}\b|^    \"{_class(base)}\",$", re.MULTILINE)
    for folder in ("shared", "simulation", "training", "functions", "sandbox", "tools", "dashboard"):
        for path in (_ROOT / folder).rglob("*.py"):
            if "node_modules" not in path.parts and pattern.search(path.read_text(encoding="utf-8")):
                where = path.relative_to(_ROOT)
                raise SettingsError(f"{text!r}: its class would be {_class(base)}, which is in {where} already")
    return name


def files_of(name: str, *, is_package: bool) -> Mapping[Path, str]:
    """Text by path of a strategy's files, in the checkout or as a package of its own."""
    base = name.partition(".")[0]
    module, cls = _module(base), _class(base)
    if is_package:
        words = {"name": name, "base": base, "module": module, "cls": cls, "group": GROUP}
        return {
            Path("pyproject.toml"): _PROJECT.format(**words),
            Path(f"{module}.py"): _STRATEGY.format(**words),
            Path(f"test_{module}.py"): _TEST.format(**words),
        }
    words = {"name": name, "module": f"shared.strategies.{module}", "cls": cls}
    return {
        _STRATEGIES / f"{module}.py": _STRATEGY.format(**words),
        _TESTS / f"test_{module}.py": _TEST.format(**words),
    }


def write_new(root: Path, files: Mapping[Path, str]) -> list[Path]:
    """Write files below a folder; none of them where one is there already.

    Raises
    ------
    SettingsError
        Naming what is there, or where the folder is no checkout that could hold them.
    """
    paths = {root / path: text for path, text in files.items()}
    if there := [str(path) for path in paths if path.exists()]:
        raise SettingsError(f"there already: {', '.join(there)}")
    if _STRATEGIES in {path.parent for path in files} and not (root / _STRATEGIES).is_dir():
        raise SettingsError(f"{root} is no checkout of Gatehouse: run this from its root, or give --package DIR")
    for path, text in paths.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return list(paths)


def _module(base: str) -> str:
    return base.replace("-", "_")


def _class(base: str) -> str:
    return "".join(part.capitalize() for part in base.split("-"))
