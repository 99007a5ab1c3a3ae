"""The catalogue: whole, and forgiving towards misspelt names."""

import pytest

from bramble.errors import NotFound
from bramble.models.catalogue import catalogue, find


def test_every_entry_is_complete() -> None:
    """Parsing checks types, lengths and patterns; here: no two share a file."""
    models = catalogue().values()
    assert len({model.file for model in models}) == len(models)
    assert len({model.sha256 for model in models}) == len(models)


def test_the_default_model_is_known() -> None:
    assert find("starter").size == 98_362_432


def test_the_nearest_name_is_offered() -> None:
    with pytest.raises(NotFound, match="no model named startr, did you mean starter"):
        find("startr")
    with pytest.raises(NotFound, match=r"no model named gpt-9\.$"):
        find("gpt-9")
