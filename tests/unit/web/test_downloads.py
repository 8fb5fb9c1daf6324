"""Names of files that are sent."""

import pytest

from fewfit.web.downloads import attachment


@pytest.mark.parametrize(
    ("filename", "header"),
    [
        ("data.csv", 'attachment; filename="data.csv"'),
        ("my data.csv", 'attachment; filename="my data.csv"'),
        ("é.csv", "attachment; filename=\"_.csv\"; filename*=UTF-8''%C3%A9.csv"),
        ("データ.csv", "attachment; filename=\"___.csv\"; filename*=UTF-8''%E3%83%87%E3%83%BC%E3%82%BF.csv"),
        ('a"b\\c.csv', "attachment; filename=\"a_b_c.csv\"; filename*=UTF-8''a%22b%5Cc.csv"),
        ("a\r\nx: y\0", "attachment; filename=\"a__x: y_\"; filename*=UTF-8''a%0D%0Ax%3A%20y%00"),
    ],
)
def test_any_name_makes_a_header(filename: str, header: str) -> None:
    assert attachment(filename) == header
    attachment(filename).encode("latin-1")
