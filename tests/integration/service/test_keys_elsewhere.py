from tests.unit.service.test_keys import *  # noqa: F403 - the same tests, on PostgreSQL and S3
