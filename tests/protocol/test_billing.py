"""The lists of deductions from the account: refused parameters, requests, and parsed responses."""

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import attrs
import pytest

from kling_async import BalanceDetail, BillingBalance, BillingPackage, PackageDetail, UnexpectedAnswer
from kling_async.protocol.call import CursorListEndpoint, CursorPage
from kling_async.protocol.catalog import call_endpoint_of
from kling_async.protocol.wire import requests, responses
from tests.protocol.recorded_bodies import enveloped, recorded

BEGIN = datetime(2026, 9, 1, tzinfo=UTC)
RECORDS: tuple[Any, ...] = (BillingBalance, BillingPackage)


def endpoint(record: Any) -> CursorListEndpoint:
    """The endpoint of a list."""
    found = call_endpoint_of(record(1, end_time=2))
    assert isinstance(found, CursorListEndpoint)
    return found


def problems(record: Any, **parameters: Any) -> list[str]:
    """The fields with problems."""
    request = record(**{"start_time": 1, "end_time": 2, **parameters})
    return [problem.field for problem in endpoint(record).problems(request, {})]


@pytest.mark.parametrize("record", RECORDS)
@pytest.mark.parametrize(
    ("parameters", "refused"),
    [
        ({"start_time": BEGIN, "end_time": 1789938513975, "limit": 500}, []),
        ({"start_time": 2}, ["end_time"]),
        ({"start_time": -1, "end_time": "2026-09-01"}, ["start_time", "end_time"]),
        ({"limit": 0}, ["limit"]),
        ({"limit": 501}, ["limit"]),
        ({"limit": "500"}, ["limit"]),
        ({"limit": True}, ["limit"]),
        ({"filters": {}}, []),
        ({"filters": []}, []),
        ({"filters": {"api_key_name": "ci"}}, []),
        ({"filters": {"api_key_name": ["ci", "web"]}}, []),
        ({"filters": [{"key": "api_key_name", "values": ["ci"]}]}, []),
        ({"filters": {"model_name": ["kling-3.0"]}}, ["filters[0].key"]),
        ({"filters": {5: ["ci"]}}, ["filters[0].key"]),
        ({"filters": {"api_key_name": []}}, ["filters[0].values"]),
        ({"filters": {"api_key_name": 5}}, ["filters[0]"]),
        ({"filters": {"api_key_name": [5, "ci", "\ud800"]}}, ["filters[0].values[0]", "filters[0].values[2]"]),
        ({"filters": "ci"}, ["filters"]),
        ({"filters": ["ci"]}, ["filters[0]"]),
        ({"filters": [{"key": "api_key_name"}]}, ["filters[0]"]),
        ({"filters": [{"key": "api_key_name", "values": ["ci"], "op": "in"}]}, ["filters[0]"]),
        ({"filters": [{"key": "api_key_name", "values": ["ci"]}] * 2}, ["filters"]),
    ],
)
def test_refused_parameters_of_both_lists(record: Any, parameters: dict[str, Any], refused: list[str]) -> None:
    """The times must be in order, the limit valid, and each filter known, given once and not empty."""
    assert problems(record, **parameters) == refused


@pytest.mark.parametrize(
    ("filters", "refused"),
    [
        ({"product_type": ["video", "image", "try-on"]}, []),
        ({"product_type": "try_on"}, ["filters[0].values[0]"]),  # a filter of another list, which would return nothing
        ({"package_name": "Trial"}, []),
        ({"package_id": "p"}, []),
        ({"package_id": "p", "package_name": "Trial"}, ["filters"]),
    ],
)
def test_refused_filters_of_packs(filters: dict[str, Any], refused: list[str]) -> None:
    """Packs are filtered by product and by name or id; balances have neither filter."""
    assert problems(BillingPackage, filters=filters) == refused
    assert problems(BillingBalance, filters=filters)[0] == "filters[0].key"


@pytest.mark.parametrize("record", RECORDS)
def test_what_is_sent(record: Any) -> None:
    """Milliseconds, the limit and the documented filters; the next page is requested by its cursor alone."""
    request = record(BEGIN, end_time=1789938513975, filters={"api_key_name": "ci"})
    sent = requests.of_call(endpoint(record), request)
    list_name = "balance" if record is BillingBalance else "package"
    assert (sent.method, sent.path, sent.once) == ("POST", f"/account/billing/{list_name}", False)
    begin = b'{"start_time":1788220800000,"end_time":1789938513975,"limit":500,'
    assert sent.body == (begin + b'"filters":[{"key":"api_key_name","values":["ci"]}]}',)
    after = requests.next_page(endpoint(record), 'b3"')
    assert (after.method, after.path, after.body) == ("POST", sent.path, (b'{"cursor": "b3\\""}',))


def test_the_recorded_lists() -> None:
    """Each deduction has its amounts; the cursor is beside the result, and without one the list ends."""
    shared: dict[str, Any] = {
        "task_id": "930831534075680000",
        "api_key_name": "ci",
        "product_function": "Image to Video",
        "model_name": "kling-3.0-turbo",
        "resolution": "720p",
        "duration": Decimal("3.04"),
        "refer_video_input": False,
        "video_sound": "native",
        "voice_control": False,
        "deduction_time": datetime(2026, 6, 10, 8, 40, 6, 802000, UTC),
    }
    balance = responses.value(recorded("account_billing_balance_ok"), endpoint(BillingBalance).read)
    expected = BalanceDetail(
        **shared,
        deduction_amount=Decimal("0.336"),
        cash_type="balance",
        balance_before_deduction=Decimal("100.0"),
        balance_after_deduction=Decimal("99.664"),
        list_price=Decimal("0.336"),
        currency="USD",
    )
    assert balance == CursorPage((expected,), "b3BhcXVlLWN1cnNvcg==")
    assert balance.entries[0].raw["list_price"] == 0.336
    package = responses.value(recorded("account_billing_package_ok"), endpoint(BillingPackage).read)
    taken = PackageDetail(
        **shared,
        deduction_amount=Decimal("2.4"),
        package_id="pkg-0001",
        product_type="video",
        unit_before_deduction=Decimal("100.0"),
        unit_after_deduction=Decimal("97.6"),
    )
    assert package == CursorPage((taken,), None)


@pytest.mark.parametrize("record", RECORDS)
@pytest.mark.parametrize("data", [None, [], "?", 5])
def test_a_malformed_page_is_an_error(record: Any, data: Any) -> None:
    """A malformed page is an error, not an empty list, which would look as if nothing was spent."""
    with pytest.raises(UnexpectedAnswer):
        responses.value(enveloped(data), endpoint(record).read)


@pytest.mark.parametrize("record", RECORDS)
@pytest.mark.parametrize(
    ("data", "cursor"),
    [
        ({"has_more": False}, None),
        ({"next_cursor": "c", "has_more": False}, None),
        ({"next_cursor": "c", "has_more": True}, "c"),
        ({"next_cursor": "c"}, "c"),
        ({"has_more": True}, None),
        ({"next_cursor": "", "has_more": True}, None),
        ({"next_cursor": 5, "has_more": True}, None),
        ({"result": None, "next_cursor": "c"}, "c"),
        ({"result": {"detail": ["?", None]}, "has_more": False}, None),
    ],
)
def test_where_a_list_ends(record: Any, data: dict[str, Any], cursor: str | None) -> None:
    """A list continues while there is a cursor, unless `has_more` is false."""
    assert responses.value(enveloped(data), endpoint(record).read) == CursorPage((), cursor)


@pytest.mark.parametrize("record", RECORDS)
def test_odd_members(record: Any) -> None:
    """An unreadable member hides no other, an id may be a number, and unknown values are kept."""
    row = {
        "task_id": 930831534075680000, "deduction_time": "soon", "deduction_amount": "1.5", "duration": {},
        "refer_video_input": "no", "new": [1],
    }  # fmt: skip
    page = responses.value(enveloped({"result": {"detail": [row]}}), endpoint(record).read)
    [read] = page.entries
    assert (read.task_id, read.deduction_amount, read.raw) == ("930831534075680000", Decimal("1.5"), row)
    known = {name: value for name, value in attrs.asdict(read, recurse=False).items() if value not in (None, "")}
    assert known.keys() == {"task_id", "deduction_amount", "raw"}
