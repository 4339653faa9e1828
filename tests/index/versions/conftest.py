from tests.app.conftest import home, other_version, promoted_home  # noqa: F401
