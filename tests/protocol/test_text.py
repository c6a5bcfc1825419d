import pytest
from hypothesis import given
from hypothesis import strategies as st

from kling_async.protocol.text import readable, said


@pytest.mark.parametrize(
    ("value", "text"),
    [("plain ü", "plain ü"), ("a\n\x1b[1m", "a  [1m"), ("\ud800", "?"), ("x" * 500, "x" * 400), (5, ""), (None, "")],
)
def test_readable_text_can_be_printed(value: object, text: str) -> None:
    """Text of the service loses controls and halves of surrogate pairs, and has an end."""
    assert text == readable(value)


JWT = f"eyJhbGciOiJIUzI1NiJ9.{'abc-DEF_' * 20}.{'x' * 43}"


@pytest.mark.parametrize(
    ("message", "text"),
    [
        (f"bad token {JWT}", "bad token …"),
        (f"api-key-kling-{'0' * 43} not found", "… not found"),
        (f"image {'iVBORw0KGgo/+' * 300}== is bad", "image … is bad"),
        ("x" * 390 + " " + "k" * 60, "… …"),
        ("see https://h/a?sig=1 and http://h#f", "see https://h/a?… and http://h?…"),
        ("https://h/a?sig=" + "s" * 500, "https://h/a?…"),
        ("Task not found by id/external id: nope-123", "Task not found by id/external id: nope-123"),
        ("request 9984d27b-a408-4073-ae28-17ca6a130000", "request 9984d27b-a408-4073-ae28-17ca6a130000"),
        (None, ""),
    ],
)
def test_messages_keep_no_secret(message: object, text: str) -> None:
    """What the service echoes of tokens, keys, pictures and signatures is left out; ids and words stay."""
    assert text == said(message)


@given(st.text(max_size=60) | st.integers() | st.none())
def test_every_text_of_the_service_can_be_encoded(value: object) -> None:
    """Whatever the service says, its message is printable UTF-8."""
    text = said(value)
    assert text.isprintable()
    assert text == text.encode("utf-8").decode()
