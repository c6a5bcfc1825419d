"""The account's resource packs: refused parameters, requests, and parsed responses."""

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest

from kling_async import AccountCosts, ApiError, InsufficientBalance, RateLimited, ResourcePack, UnexpectedAnswer
from kling_async.protocol.call import CallEndpoint
from kling_async.protocol.catalog import call_endpoint_of
from kling_async.protocol.wire import requests, responses
from tests.protocol.recorded_bodies import enveloped, recorded

BEGIN = datetime(2026, 9, 1, tzinfo=UTC)


def endpoint() -> CallEndpoint:
    """The endpoint of the resource packs."""
    found = call_endpoint_of(AccountCosts(1, end_time=2))
    assert found is not None
    return found


@pytest.mark.parametrize(
    ("parameters", "refused"),
    [
        ({"start_time": 0, "end_time": 1}, []),
        ({"start_time": BEGIN, "end_time": 1789938513975}, []),
        ({"start_time": 2, "end_time": 2}, ["end_time"]),
        ({"start_time": BEGIN, "end_time": 2}, ["end_time"]),
        ({"start_time": -1, "end_time": "2026-09-01"}, ["start_time", "end_time"]),
        ({"start_time": datetime.min, "end_time": 2**63}, ["start_time", "end_time"]),  # noqa: DTZ901  (no time of UTC)
        ({"start_time": -2, "end_time": -1}, ["start_time", "end_time"]),
        ({"start_time": 1, "end_time": 2, "resource_pack_name": 5}, ["resource_pack_name"]),
    ],
)
def test_what_is_refused(parameters: dict[str, Any], refused: list[str]) -> None:
    """The times must be in order, and the name must be a name."""
    made: Any = AccountCosts
    assert [problem.field for problem in endpoint().problems(made(**parameters), {})] == refused


def test_what_is_sent() -> None:
    """The request is a GET with its times in milliseconds, also those given as `datetime`."""
    sent = requests.of_call(endpoint(), AccountCosts(BEGIN, end_time=1789938513975, resource_pack_name="a b"))
    assert (sent.method, sent.path, sent.body) == ("GET", "/account/costs", ())
    assert sent.params == (
        ("start_time", "1788220800000"),
        ("end_time", "1789938513975"),
        ("resource_pack_name", "a b"),
    )


def test_an_empty_name_is_omitted() -> None:
    """An empty name counts as omitted, as in official examples."""
    sent = requests.of_call(endpoint(), AccountCosts(1, end_time=2, resource_pack_name=""))
    assert [name for name, _ in sent.params] == ["start_time", "end_time"]


def test_the_recorded_packs() -> None:
    """Each pack is read with its amounts and times; an account without packs has none."""
    assert responses.value(recorded("account_costs_ok"), endpoint().read) == (
        ResourcePack(
            resource_pack_name="Trial-Video-100Units-5Con-1Months",
            resource_pack_id="509f3fd3d4ab4a3f9eec5db27aa40000",
            resource_pack_type="decreasing_total",
            total_quantity=Decimal("100.0"),
            remaining_quantity=Decimal("95.5"),
            purchase_time=datetime(2026, 9, 20, 21, 8, 33, 975000, UTC),
            effective_time=datetime(2026, 9, 20, 21, 8, 33, 975000, UTC),
            invalid_time=datetime(2026, 10, 20, 21, 8, 33, 975000, UTC),
            status="online",
        ),
    )
    assert responses.value(recorded("account_costs_empty"), endpoint().read) == ()


@pytest.mark.parametrize(
    ("data", "error"),
    [
        ({"code": 1302, "msg": "too fast"}, RateLimited),
        ({"code": 1102, "msg": "empty"}, InsufficientBalance),
        ({"code": "1302", "msg": "too fast"}, RateLimited),
        ({"code": 99, "msg": "?"}, ApiError),
        ({"code": "?", "msg": "?"}, ApiError),
        ([], UnexpectedAnswer),
        (None, UnexpectedAnswer),
    ],
)
def test_both_codes_count(data: Any, error: type[Exception]) -> None:
    """The response has a second code, which may be a refusal although the first one is a success."""
    with pytest.raises(error):
        responses.value(enveloped(data), endpoint().read)


@pytest.mark.parametrize("code", [{}, {"code": None}, {"code": "0"}])
def test_a_good_code(code: dict[str, Any]) -> None:
    """A code may be a string of digits, and an omitted code is ignored."""
    assert responses.value(enveloped({**code, "msg": ""}), endpoint().read) == ()


@pytest.mark.parametrize("packs", [None, {}, ["?"], [{"remaining_quantity": "?"}]])
def test_odd_packs(packs: Any) -> None:
    """A member that cannot be read does not hide the others."""
    read: Any = responses.value(enveloped({"code": 0, "resource_pack_subscribe_infos": packs}), endpoint().read)
    assert [pack.remaining_quantity for pack in read] == [None] * (packs == [{"remaining_quantity": "?"}])
    assert responses.value(enveloped({}), endpoint().read) == ()
