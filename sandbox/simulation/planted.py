"""Rules broken on purpose."""
from contextlib import contextmanager
from collections.abc import Iterator
@contextmanager
def planted(name: str) -> Iterator[None]:
    """Break a rule."""
    yield
