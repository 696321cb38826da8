"""Which tests run on each database, and which once."""

import pytest


def test_what_runs_once_may_not_use_our_database(request: pytest.FixtureRequest) -> None:
    with pytest.raises(pytest.fail.Exception, match=f"{request.node.name} uses our database"):
        request.getfixturevalue("transactional_db")
