import pytest

from kling_async.protocol.errors import BadResponse, NotTheService, Remedy
from kling_async.protocol.wrong_address import Recognition


def page(status: int = 404) -> BadResponse:
    """An answer of something else."""
    return BadResponse("a login page", code=777, http_status=status, foreign=True)


@pytest.mark.parametrize(
    ("times", "status", "wrong"),
    [
        ([0, 1, 5], 404, True),
        ([0, 1, 4.9], 404, False),
        ([0, 9], 404, False),
        ([0, 1, 2, 3, 5], 302, True),
        ([100, 101, 105], 200, True),
        ([0, 1, 29.9], 502, False),
        ([0, 1, 30], 502, True),
        ([0, 1, 29.9], 429, False),
        ([0, 1, 30], 408, True),
    ],
)
def test_three_foreign_answers_make_a_wrong_address(
    times: list[float],
    status: int,
    *,
    wrong: bool,
) -> None:
    """Three answers over 5 seconds, none of the service before: a wrong address; an outage gets half a minute."""
    recognition = Recognition()
    kinds = [type(recognition.foreign(now, page(status))) for now in times]
    assert kinds == [BadResponse] * (len(times) - 1) + [NotTheService if wrong else BadResponse]


def test_an_address_that_answered_once_is_never_wrong() -> None:
    """Once the service has answered, what is in between passes."""
    recognition = Recognition()
    recognition.foreign(0, page())
    recognition.answered()
    assert {type(recognition.foreign(now, page())) for now in range(0, 1000, 10)} == {BadResponse}


def test_the_error_shows_what_came_last() -> None:
    """It has status, code and text of the last answer, and what to do."""
    recognition = Recognition()
    *_, error = (recognition.foreign(now, page()) for now in (0, 3, 6))
    assert (error.code, error.http_status, error.remedy) == (777, 404, Remedy.BASE_URL)
    assert "3 answers in 6 s" in error.message
    assert "a login page" in error.message
