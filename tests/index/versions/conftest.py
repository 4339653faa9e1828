from tests.app.conftest import home, other_version  # noqa: F401
