"""Which callbacks are taken: signatures, times, secrets, tokens; by the official vector and by another's verifier."""

import base64
import hashlib
import hmac
import random
import time
from collections.abc import Mapping
from typing import Any

import pytest
import standardwebhooks

from kling_async import ConfigurationError
from kling_async.protocol import webhook
from kling_async.protocol.webhook import BODY_MAXIMUM, IDS_KEPT, MessageIds, Refused, Taken, WebhookRules

from .recorded_bodies import OTHERS, RECORDED

VECTOR = RECORDED["callback_new_test_vector"]["body"]
ROTATION = OTHERS["callback_new_rotation_vector"]["body"]
BODY = b'{"id":"1","status":"processing"}'
NOW = 1_781_080_794.0
SECRET = "whsec_" + base64.b64encode(b"a secret of thirty-two letters..").decode()
OTHER = "whsec_" + base64.b64encode(b"another one of thirty-two letter").decode()


def signature(secret: str, message_id: str, timestamp: object, body: bytes) -> str:
    """By the documentation, without what is tested."""
    key = base64.b64decode(secret.removeprefix("whsec_"))
    content = f"{message_id}.{timestamp}.".encode() + body
    return "v1," + base64.b64encode(hmac.new(key, content, hashlib.sha256).digest()).decode()


def headers(*secrets: str, at: object = int(NOW), message_id: str = "m-1", body: bytes = BODY) -> dict[str, str]:
    """Of a message that these secrets have signed."""
    signatures = " ".join(signature(secret, message_id, at, body) for secret in secrets)
    return {"Webhook-Id": message_id, "Webhook-Timestamp": str(at), "Webhook-Signature": signatures}


def decide(
    given: Mapping[str, str],
    *,
    secrets: tuple[str, ...] = (SECRET,),
    token: str | None = None,
    allow_unsigned: bool = False,
    method: str = "POST",
    target: str = "/kling",
    body: bytes = BODY,
    now: float = NOW,
) -> Taken | int:
    """What becomes of a request: taken, or the status it is refused with."""
    rules = WebhookRules.of(secrets, token, allow_unsigned=allow_unsigned)
    decision = rules.decide(method, target, given, body, now)
    return decision.status if isinstance(decision, Refused) else decision


def test_the_official_vector() -> None:
    """What the documentation prints is taken, and nothing else with the same signature."""
    body, given = VECTOR["raw_body"].encode(), VECTOR["headers"]
    assert decide(given, secrets=(VECTOR["secret"],), body=body) == Taken(given["webhook-id"])
    assert decide(given, secrets=(VECTOR["secret"],), body=body + b" ") == 401
    for name in ("webhook-id", "webhook-timestamp"):
        assert decide({**given, name: given[name][:-1] + "3"}, secrets=(VECTOR["secret"],), body=body) == 401


@pytest.mark.parametrize("signs", [SECRET, OTHER])
def test_any_of_the_secrets_will_do(signs: str) -> None:
    """A message that one of several known secrets has signed is taken, whichever it is."""
    assert decide(headers(signs), secrets=(SECRET, OTHER)) == Taken("m-1")


@pytest.mark.parametrize("known", [("old",), ("new",), ("old", "new")])
def test_secrets_rotate(known: tuple[str, ...]) -> None:
    """While two secrets are in use, either of them is enough to accept the message."""
    secrets = tuple(ROTATION["secrets"][name] for name in known)
    body, given = ROTATION["raw_body"].encode(), ROTATION["headers"]
    assert decide(given, secrets=secrets, body=body, now=1781080807) == Taken("msg-0001")
    assert decide(given, secrets=(SECRET,), body=body, now=1781080807) == 401


@pytest.mark.parametrize(
    ("age", "expected"),
    [(0, None), (300, None), (-300, None), (301, 401), (-301, 401), (86_400, 401)],
)
def test_old_and_future_messages(age: int, expected: int | None) -> None:
    """A message is taken within five minutes either way of its signed time."""
    assert decide(headers(SECRET, at=int(NOW) - age)) == (expected or Taken("m-1"))


@pytest.mark.parametrize(
    ("changed", "expected"),
    [
        ({"Webhook-Signature": ""}, 400),
        ({"Webhook-Id": ""}, 400),
        ({"Webhook-Timestamp": ""}, 400),
        ({"Webhook-Timestamp": "soon"}, 400),
        ({"Webhook-Timestamp": "1781080794.5"}, 400),
        ({"Webhook-Timestamp": "-1"}, 400),
        ({"Webhook-Timestamp": "²"}, 400),
        ({"Webhook-Timestamp": "9" * 5000}, 400),
        ({"Webhook-Id": "m" * 257}, 400),
        ({"Webhook-Signature": "v1,"}, 401),
        ({"Webhook-Signature": "v1"}, 401),
        ({"Webhook-Signature": "v1,\ud800 v1,ü , ,,"}, 401),
        ({"Webhook-Id": "\ud800"}, 401),
        ({"Webhook-Signature": signature(SECRET, "m-1", int(NOW), BODY).replace("v1", "v1a")}, 401),
        ({"Webhook-Signature": signature(SECRET, "m-1", int(NOW), BODY).replace("v1", "v2")}, 401),
        ({"Webhook-Signature": f"v1,AAAA v2,x {signature(SECRET, 'm-1', int(NOW), BODY)}"}, None),
        ({"X-Webhook-Id": "m-2"}, None),
    ],
)
def test_garbage_in_headers(changed: dict[str, str], expected: int | None) -> None:
    """Any malformed headers are refused with 4xx, and one good signature among others is enough."""
    assert decide({**headers(SECRET), **changed}) == (expected or Taken("m-1"))


@pytest.mark.parametrize("method", ["GET", "HEAD", "PUT", "DELETE", "OPTIONS", ""])
def test_other_methods(method: str) -> None:
    """Only POST is taken."""
    assert decide(headers(SECRET), method=method) == 405


def test_a_large_body() -> None:
    """A body of 1 MiB is looked at, a longer one is not."""
    body = b" " * BODY_MAXIMUM
    assert decide(headers(SECRET, body=body), body=body) == Taken("m-1")
    body += b" "
    assert decide(headers(SECRET, body=body), body=body) == 413


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({"secrets": ()}, Taken(None)),
        ({"secrets": (SECRET,)}, 401),
        ({"secrets": (SECRET,), "allow_unsigned": True}, Taken(None)),
        ({"secrets": (SECRET,), "allow_unsigned": True, "token": "t-1"}, 401),
        ({"secrets": (), "token": "t-1"}, 401),
        ({"secrets": (), "token": "t-1", "target": "/kling/t-1"}, Taken(None)),
        ({"secrets": (), "token": "t-1", "target": "/kling/t%2D1/"}, Taken(None)),
        ({"secrets": (), "token": "t-1", "target": "/kling?a=b&token=t-1"}, Taken(None)),
        ({"secrets": (), "token": "t-1", "target": "/kling/t-12"}, 401),
        ({"secrets": (), "token": "t-1", "target": "//t-1"}, Taken(None)),
        ({"secrets": (), "token": "t-1", "target": "https://me.example/t-1"}, Taken(None)),
        ({"secrets": (), "token": "t-1", "target": "https://t-1/kling"}, 401),
        ({"secrets": (), "token": "t-1", "target": "/kling/t-"}, 401),
        ({"secrets": (), "token": "t-1", "target": "/kling?t-1"}, 401),
        ({"secrets": (), "token": "t-1", "target": "//[/?" + "&a=b" * 200}, 401),
        ({"secrets": (), "token": "ü/?", "target": "/%C3%BC%2F%3F"}, Taken(None)),
        ({"secrets": (SECRET,), "token": "t-1", "target": "/kling/t-1"}, 401),
    ],
)
def test_unsigned(settings: dict[str, Any], expected: Taken | int) -> None:
    """Unsigned requests are taken where there are no secrets or they are allowed; with a token, by its address."""
    assert decide({}, **settings) == expected


def test_a_signed_message_needs_no_token() -> None:
    """The signature proves more than the token does."""
    assert decide(headers(SECRET), token="t-1") == Taken("m-1")


def test_signatures_without_a_secret_prove_nothing() -> None:
    """Without secrets, a signed message counts as unsigned."""
    assert decide(headers(OTHER), secrets=()) == Taken(None)
    assert decide(headers(OTHER), secrets=(), token="t-1") == 401


@pytest.mark.parametrize("secrets", [["whsec_"], [""], ["whsec_ä"], ["whsec_a"], [None], [b"whsec_AAAA"], SECRET])
def test_secrets_that_are_none(secrets: Any) -> None:
    """A secret that cannot be one is refused at once, and not shown."""
    with pytest.raises(ConfigurationError) as caught:
        WebhookRules.of(secrets, None, allow_unsigned=False)
    assert SECRET not in str(caught.value)


def test_spellings_of_a_secret() -> None:
    """Prefix, padding and blanks around it may be missing or there."""
    bare = SECRET.removeprefix("whsec_")
    for text in (bare, SECRET.rstrip("="), f" {SECRET}\n"):
        assert decide(headers(SECRET), secrets=(text,)) == Taken("m-1")


def test_secrets_are_not_shown() -> None:
    """Neither the repr of the rules nor a refusal has a secret, or the token."""
    rules = WebhookRules.of([SECRET], "t-1", allow_unsigned=True)
    decision = rules.decide("POST", "/t-2", {}, BODY, NOW)
    for secret in (SECRET.removeprefix("whsec_"), "a secret", "t-1", "t-2"):
        assert secret not in repr(rules) + repr(decision)


def test_messages_are_remembered() -> None:
    """A message is new once; the oldest are forgotten when there are very many."""
    ids = MessageIds()
    assert [ids.is_new("a"), ids.is_new("a"), ids.is_new("b")] == [True, False, True]
    for number in range(IDS_KEPT):
        ids.is_new(str(number))
    assert len(ids) == IDS_KEPT
    assert ids.is_new("a")


def test_a_token_of_credentials() -> None:
    """It is always the same, another one for other credentials, and shows nothing of them."""
    assert webhook.token_of("sk") == webhook.token_of("sk") != webhook.token_of("sk2")
    assert len(webhook.token_of("sk")) == 32


def test_another_verifier_agrees() -> None:
    """On 1,000 random messages, whole and spoilt, `standardwebhooks` takes and refuses the same."""
    rng = random.Random(13)  # noqa: S311  (messages for a test)
    taken = 0
    for number in range(1000):
        secrets = [rng.randbytes(rng.randint(1, 64)) for _ in range(2)]
        texts = ["whsec_" + base64.b64encode(secret).decode() for secret in secrets]
        body = rng.choice([BODY, "ä€".encode() * rng.randint(0, 9), rng.randbytes(99).hex().encode()])
        now = int(time.time())
        at = now - rng.choice([0, rng.randint(-290, 290), rng.choice([-1, 1]) * rng.randint(310, 9999)])
        signers = rng.choice([[texts[0]], [texts[1]], texts, texts[::-1], []])
        given = headers(*signers, at=at, message_id=f"m-{number}", body=body)
        if rng.random() < 0.2:
            given["Webhook-Signature"] += rng.choice([" v2,AAAA", " v1,AAAA", " v1a,AAAA"])
            given["Webhook-Signature"] = given["Webhook-Signature"].strip()
        if rng.random() < 0.2:
            body += b" "
        if rng.random() < 0.1:
            given["Webhook-Id"] += "x"
        ours = decide(given, secrets=(texts[0],), body=body, now=now)
        try:
            standardwebhooks.Webhook(texts[0]).verify(body, given, json_parse=False)
        except standardwebhooks.WebhookVerificationError:
            assert isinstance(ours, int)
        else:
            assert ours == Taken(given["Webhook-Id"])
            taken += 1
    assert 200 < taken < 800
