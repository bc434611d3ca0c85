"""Real storage for tests: one Azurite for the whole session, one empty account for each test.

Use it in a test module (or once in the root conftest) with `pytest_plugins = ["tests.support.azurite"]`, and ask for
the fixture `storage`: the connection string of an account that no other test has seen.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from sandbox.azurite import Azurite, connection_string

_ACCOUNTS = 500


@pytest.fixture(scope="session")
def azurite() -> Iterator[Azurite]:
    """Emulator in memory, with accounts `test0`, `test1`, ..."""
    with Azurite(accounts=[f"test{number}" for number in range(_ACCOUNTS)]) as emulator:
        yield emulator


@pytest.fixture(scope="session")
def _free_accounts() -> Iterator[str]:
    return (f"test{number}" for number in range(_ACCOUNTS))


@pytest.fixture
def storage(azurite: Azurite, _free_accounts: Iterator[str]) -> str:
    """Connection string of an empty account."""
    return connection_string(azurite.ports, next(_free_accounts))
