"""Lists with a cursor: what the account was charged."""

import json
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest

from kling_async import (
    BillingBalance,
    BillingPackage,
    ClientClosed,
    ConfigurationError,
    InvalidRequest,
    KlingClient,
    PackageDetail,
    PagedList,
)
from kling_async.protocol.errors import UnexpectedAnswer
from tests.shell.conftest import ClientMaker
from tests.shell.stub import Answer, Seen, answer, refusal, script, serve

pytestmark = pytest.mark.usefixtures("nothing_is_left")

BEGIN, END = datetime(2026, 11, 1, tzinfo=UTC), datetime(2026, 11, 30, tzinfo=UTC)


class Ledger:
    """A service that has charged so many units, one from a pack per task."""

    def __init__(self, count: int) -> None:
        self.count = count
        self.requested: list[Any] = []

    def __call__(self, seen: Seen) -> Answer:
        """One page, by the cursor if there is one."""
        body = json.loads(seen.body)
        self.requested.append((seen.path, body))
        first = int(body.get("cursor", "0:0").partition(":")[0])
        size = int(body["cursor"].partition(":")[2]) if "cursor" in body else body["limit"]
        rows = [{"task_id": str(each), "deduction_amount": 1} for each in range(first, self.count)[:size]]
        more = first + size < self.count
        after = {"next_cursor": f"{first + size}:{size}"} if more else {}
        return answer(200, {"code": 0, "data": {"result": {"detail": rows}, "has_more": more, **after}})


async def test_all_pages(make_client: ClientMaker) -> None:
    """Pages are fetched as needed; after the first one by the cursor alone."""
    ledger = Ledger(5)
    async with serve(ledger) as stub:
        client = make_client(base_url=stub.base_url, api_key="k")
        taken = client.billing_package(BEGIN, end_time=END, limit=2, filters={"product_type": "video"})
        assert ledger.requested == []
        assert [one.task_id async for one in taken] == ["0", "1", "2", "3", "4"]
        first = {
            "start_time": 1793491200000,
            "end_time": 1795996800000,
            "limit": 2,
            "filters": [{"key": "product_type", "values": ["video"]}],
        }
        bodies = [first, {"cursor": "2:2"}, {"cursor": "4:2"}]
        assert ledger.requested == [("/account/billing/package", body) for body in bodies]
        assert await client.submit(BillingPackage(BEGIN, end_time=END, limit=2)) == await taken
        assert [one.deduction_amount for one in await client.billing_balance(BEGIN, end_time=END)] == [Decimal(1)] * 5
        assert ledger.requested[-1][0] == "/account/billing/balance"


async def test_a_list_that_is_not_read_to_its_end(make_client: ClientMaker) -> None:
    """No page is fetched that is not needed."""
    ledger = Ledger(500)
    async with serve(ledger) as stub:
        async for one in make_client(base_url=stub.base_url, api_key="k").billing_package(BEGIN, end_time=END, limit=1):
            if one.task_id == "2":
                break
    assert len(ledger.requested) == 3


@pytest.mark.parametrize("circle", ["aa", "aba"])
async def test_a_repeated_cursor(make_client: ClientMaker, circle: str) -> None:
    """The list ends at a repeated cursor."""
    named = iter(circle)

    def page(_: Seen) -> Answer:
        data = {"result": {"detail": [{"task_id": "1"}]}, "has_more": True, "next_cursor": next(named)}
        return answer(200, {"code": 0, "data": data})

    async with serve(page) as stub:
        taken = await make_client(base_url=stub.base_url, api_key="k").billing_balance(BEGIN, end_time=END)
        assert len(taken) == len(stub.seen) == len(circle)


async def test_a_transient_failure_of_a_page(make_client: ClientMaker) -> None:
    """A page is retried like any read; a later refusal is not attributed to the first request."""
    ledger = Ledger(1)
    async with serve(script(None, refusal(500, 5000), ledger)) as stub:
        assert len(await make_client(base_url=stub.base_url, api_key="k").billing_package(BEGIN, end_time=END)) == 1
    async with serve(script(None, refusal(403, 1103))) as stub:
        with pytest.raises(Exception, match="no right") as caught:
            await make_client(base_url=stub.base_url, api_key="k").billing_package(BEGIN, end_time=END)
    assert "may have been done" not in str(caught.value)


async def test_an_invalid_response(make_client: ClientMaker) -> None:
    """An invalid response is an error, not an empty list."""
    async with serve(lambda _: answer(200, {"code": 0, "data": []})) as stub:
        with pytest.raises(UnexpectedAnswer, match="page of deductions"):
            await make_client(base_url=stub.base_url, api_key="k").billing_package(BEGIN, end_time=END)


async def test_wrong_filters_and_closed_clients(make_client: ClientMaker) -> None:
    """The call refuses a wrong filter and a closed client."""
    client = make_client(api_key="k")
    with pytest.raises(InvalidRequest, match=r"product_type|filters\[0\]\.values\[0\]"):
        client.billing_package(BEGIN, end_time=END, filters={"product_type": "try_on"})
    with pytest.raises(InvalidRequest, match="end_time"):
        await client.submit(BillingBalance(END, end_time=BEGIN))
    await client.close()
    with pytest.raises(ClientClosed):
        client.billing_balance(BEGIN, end_time=END)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"access_key": "a", "secret_key": "s", "base_url": "http://127.0.0.1:1"}, "takes an API key only"),
        ({"api_key": "k", "base_url": "https://api.klingai.com"}, "does not serve the current generation"),
    ],
)
async def test_clients_without_access(given: dict[str, str], message: str) -> None:
    """A client with a pair of keys or a legacy-only host is refused at the call; nothing is sent."""
    async with KlingClient(**given) as client:  # type: ignore[arg-type]  # of one type for mypy
        for ask in (client.billing_balance, client.billing_package):
            with pytest.raises(ConfigurationError, match=message):
                ask(BEGIN, end_time=END)
        with pytest.raises(ConfigurationError, match=message):
            await client.submit(BillingPackage(BEGIN, end_time=END))


async def test_entries_are_typed(make_client: ClientMaker) -> None:
    """The entries are typed."""
    taken: PagedList[PackageDetail] = make_client(api_key="k").billing_package(BEGIN, end_time=END)
    assert isinstance(taken, PagedList)
