import base64
import json
import time
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kling_async.protocol.redaction import printable, redact, service_text


@pytest.mark.parametrize(
    ("value", "text"),
    [("plain ü", "plain ü"), ("a\n\x1b[1m", "a  [1m"), ("\ud800", "?"), ("x" * 500, "x" * 400), (5, ""), (None, "")],
)
def test_readable_text_can_be_printed(value: object, text: str) -> None:
    """Text of the service loses controls and halves of surrogate pairs, and has an end."""
    assert text == printable(value)


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
        ("no https://bob:hunter2@h/a?sig=1 here", "no https://…@h/a?… here"),
        ("postgres://u:p?w#@h/db redis://:p/w@h", "postgres://…@h/db redis://…@h"),
        ("https://h/a,https://key@h/b", "https://h/a,https://…@h/b"),
        (r"https:\/\/u:pw@h\/a", r"https:\/\/…@h\/a"),
        ("https://h/@cat a@b", "https://h/@cat a@b"),
        ("Task not found by id/external id: nope-123", "Task not found by id/external id: nope-123"),
        ("request 9984d27b-a408-4073-ae28-17ca6a130000", "request 9984d27b-a408-4073-ae28-17ca6a130000"),
        (None, ""),
    ],
)
def test_messages_keep_no_secret(message: object, text: str) -> None:
    """What the service echoes of tokens, keys, pictures and signatures is left out; ids and words stay."""
    assert text == service_text(message)


@pytest.mark.parametrize("letters", ["iVBO/+a", "ab c ", "http://x?", "http://x ", "://", "://a:", "\u00fc\n "])
def test_a_huge_message_costs_no_more_than_a_long_one(letters: str) -> None:
    """30 MB of text are cut before anything else is done with them."""
    message = letters * (30_000_000 // len(letters))
    before = time.process_time()
    text = service_text(message)
    assert time.process_time() - before < 0.05
    assert len(text) <= 400


@pytest.mark.parametrize("place", range(300, 410, 3))
@pytest.mark.parametrize("limit", [400, 4000])
def test_a_cut_leaves_no_part_of_a_key(limit: int, place: int) -> None:
    """A key at the place where a message is cut is removed completely: its first half would not be recognised."""
    filling = ("word " * 900)[: limit - 400 + place] if limit == 400 else "k" * (limit - 400 + place - 1) + " "
    assert "sk-1" not in service_text(f"{filling}sk-1234567890abcdef and {'more ' * 900}").replace(
        "sk-1234567890abcdef", ""
    )


KEY, ODD = "sk-1234567890ab", 'k"/&+=~$1'


def inside(text: str, before: str = "Bearer ") -> str:
    """Base64 of a text with something around it."""
    return base64.b64encode(f"{before}{text}, please".encode()).decode()


@pytest.mark.parametrize(
    ("secret", "echo", "text"),
    [
        (KEY, f"the key {KEY} is unknown", "the key … is unknown"),
        (KEY, f"x{KEY}y{KEY}", "x…y…"),
        (KEY, f"the key {KEY.upper()} is unknown", "the key … is unknown"),
        (KEY, "the key sk-1234 is unknown", "the key sk-1234 is unknown"),
        ("abc", "the key abc is unknown", "the key … is unknown"),
        ("abc", "abc", "…"),
        ("abc", "abcd, dabc and ab", "abcd, dabc and ab"),
        ("k", "the key k", "the key …"),
        (ODD, f"key {ODD}!", "key …!"),
        (ODD, f"key {quote(ODD)}!", "key …!"),
        (ODD, f"key {quote(ODD, safe='')}!", "key …!"),
        (ODD, f"key {json.dumps(ODD)}!", 'key "…"!'),
        (ODD, "key k&quot;/&amp;+=~$1!", "key …!"),
        (ODD, 'key k\\"\\/&+=~$1!', "key …!"),
        ("header99.payload-of-the-token.signature-of-it-too", "bad signature-of-it-too", "bad …"),
        ("header99.payload-of-the-token.signature-of-it-too", "bad payload-of-the-token, header99", "bad …, header99"),
    ],
)
def test_a_secret_is_left_out(secret: str, echo: str, text: str) -> None:
    """Plain and as encoded in JSON, HTML and addresses; a short one only as a whole word."""
    assert redact(echo, frozenset({secret})) == text


@pytest.mark.parametrize("before", ["", "B", "Be", "Bearer ", "user:"])
@pytest.mark.parametrize("secret", [KEY, "\xfe?>" + KEY])
def test_a_secret_in_base64_is_left_out(secret: str, before: str) -> None:
    """In any alignment within the encoded text, in both alphabets."""
    for echo in (inside(secret, before), inside(secret, before).translate(str.maketrans("+/", "-_"))):
        shown = redact(f"sent {echo}", frozenset({secret}))
        assert "…" in shown
        assert len(f"sent {echo}") - len(shown) >= len(secret)


def test_without_secrets_a_text_stays() -> None:
    """Nor does an empty one take anything away."""
    assert redact("text", frozenset()) == "text"
    assert redact("text", frozenset({""})) == "text"


@given(st.text(max_size=60) | st.integers() | st.none())
def test_every_text_of_the_service_can_be_encoded(value: object) -> None:
    """Whatever the service's text, the message is printable UTF-8."""
    text = service_text(value)
    assert text.isprintable()
    assert text == text.encode("utf-8").decode()
