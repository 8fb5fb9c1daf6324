from tests.unit.service.test_models import *  # noqa: F403 - the same tests, on PostgreSQL and S3
