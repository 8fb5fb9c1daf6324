from tests.unit.service.test_database import *  # noqa: F403 - the same tests, on PostgreSQL and S3
