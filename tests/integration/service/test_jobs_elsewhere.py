from tests.unit.service.test_jobs import *  # noqa: F403 - the same tests, on PostgreSQL and S3
