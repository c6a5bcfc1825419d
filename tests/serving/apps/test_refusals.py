"""Responses of the example backends to mistakes and to hostile sites."""

import asyncio
import io
import logging
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from yarl import URL

from examples.web_service.requests import COOKIE
from examples.web_service.settings import Settings
from kling_async.emulator import Emulator
from tests.serving.apps.conftest import SERVERS, Visitor, visitor

TEXT = b"this is no picture " * 100


MISTAKES: tuple[tuple[dict[str, Any], list[str]], ...] = (
    ({"picture": None}, ["picture"]),
    ({"picture": b""}, ["picture"]),
    ({"picture": TEXT}, ["picture"]),
    ({"prompt": "a" * 2501}, ["prompt"]),
    ({"model_name": "kling-v9"}, ["model_name"]),
    ({"model_name": "kling-v1-6"}, ["model_name"]),
    ({"duration": "7"}, ["duration"]),
    ({"duration": "long"}, ["duration"]),
    ({"mode": "best"}, ["mode"]),
    ({"sound": "loud"}, ["sound"]),
    ({"sound": "true"}, ["sound"]),
    ({"picture": TEXT, "prompt": "a" * 2501, "duration": "x"}, ["duration", "picture", "prompt"]),
)


async def test_what_would_be_refused_later(ann: Visitor, emulator: Emulator, settings: Settings) -> None:
    """All problems are reported at once, by the form's field names; nothing is stored or paid."""
    for mistake, fields in MISTAKES:
        status, answer = await ann.post(**mistake)
        assert (status, sorted({problem["field"] for problem in answer["problems"]})) == (422, fields)
        assert all(each["message"] and str(settings.directory) not in each["message"] for each in answer["problems"])
    assert await nothing_is_kept(ann, settings)
    assert emulator.ledger.created == 0


async def nothing_is_kept(ann: Visitor, settings: Settings) -> bool:
    """Whether there is neither a clip nor a part of one."""
    assert settings.directory is not None
    kept = [path for name in ("clips", "incoming") for path in (settings.directory / name).rglob("*")]
    return kept == [] and (await ann.get("/api/clips"))[1] == {"clips": []}


async def test_a_large_upload(ann: Visitor, settings: Settings) -> None:
    """Sixty megabytes are refused while they arrive, whatever the headers claim, and are not stored."""
    headers = {"Content-Type": "multipart/form-data; boundary=x"}
    for picture in (io.BytesIO(bytes(60 * 2**20)), chunks()):
        async with ann.http.post(f"{ann.url}/api/clips", data=picture, headers=headers) as answer:
            assert (answer.status, await answer.json()) == (413, {"message": "A picture has at most 10 MB."})
    assert await nothing_is_kept(ann, settings)


async def chunks() -> Any:
    """Yields a form with a file of sixty megabytes."""
    yield b'--x\r\nContent-Disposition: form-data; name="picture"; filename="a.jpg"\r\n\r\n'
    for _ in range(60):
        yield bytes(2**20)


async def test_another_site(ann: Visitor, settings: Settings) -> None:
    """A form or script of another site is refused before its body is read."""
    cookies = "; ".join(f"{each.key}={each.value}" for each in ann.http.cookie_jar)
    own = {"Host": host_of(ann), "Cookie": cookies, "Content-Type": "text/plain", "Content-Length": "9"}
    for headers in (
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
        {"Origin": "http://127.0.0.1"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
        {"Host": "evil.example", "Origin": "http://evil.example"},
    ):
        lines = "".join(f"{name}: {value}\r\n" for name, value in (own | headers).items())
        answer = await raw(ann, f"POST /api/clips HTTP/1.1\r\n{lines}")
        assert b" 403 " in answer
        assert b"message" in answer
    assert await nothing_is_kept(ann, settings)


def host_of(ann: Visitor) -> str:
    """Returns host and port."""
    return ann.url.removeprefix("http://")


async def raw(ann: Visitor, head: str, body: bytes = b"") -> bytes:
    """Returns the first lines of a response, and closes the connection."""
    host, port = host_of(ann).split(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    try:
        writer.write(head.encode() + b"\r\n" + body)
        return await reader.read(2000)
    finally:
        writer.close()
        await writer.wait_closed()


async def test_the_own_site(ann: Visitor) -> None:
    """Requests from the page itself and from programs are accepted."""
    for headers in ({"Origin": ann.url, "Sec-Fetch-Site": "same-origin"}, {"Origin": ann.url}, {}):
        assert (await ann.post(headers=headers))[0] == 201


async def test_others_clips(ann: Visitor, ben: Visitor) -> None:
    """Another session sees nothing of a clip, by any address; an invalid id is not used as a path."""
    _, clip = await ann.post()
    await ann.ended(clip)
    root = f"/api/clips/{clip['id']}"
    for path in (root, f"{root}/events", f"{root}/video", f"{root}/picture"):
        assert (await ben.get(path))[0] == 404
    assert (await ben.get("/api/clips"))[1] == {"clips": []}
    [cookie] = [each.value for each in ann.http.cookie_jar]
    for odd in ("..", "../../journal.sqlite", clip["id"].upper(), f"{clip['id']}%00", "*", "%3F" * 32, "0" * 32):
        for end in ("", "/picture", "/video", "/events"):
            address = URL(f"{ann.url}/api/clips/{odd.replace('/', '%2F').replace('.', '%2E')}{end}", encoded=True)
            async with ann.http.get(address) as answer:
                assert answer.status == 404
    for forged in (cookie + "x", "../" + cookie, "", "a" * 43):
        async with ben.http.get(f"{ben.url}{root}", headers={"Cookie": f"{COOKIE}={forged}"}) as answer:
            assert answer.status == 404


async def test_without_a_session(ann: Visitor, emulator: Emulator) -> None:
    """Without a session a post is refused, since no later request could find the clip."""
    ann.http.cookie_jar.clear()
    status, answer = await ann.post()
    assert (status, list(answer)) == (403, ["message"])
    assert emulator.ledger.created == 0


@pytest.mark.parametrize("status", [403, 429])
async def test_a_refusal_during_an_upload(ann: Visitor, status: int) -> None:
    """A client that is still sending, a proxy for example, gets the response: the connection is not reset."""
    if status == 429:
        assert [(await ann.post())[0] for _ in range(3)] == [201, 201, 201]
    host, port = host_of(ann).split(":")
    cookie = ann.http.cookie_jar.filter_cookies(URL(ann.url))[COOKIE].value
    origin = ann.url if status == 429 else "http://elsewhere.example"
    own = f"Host: {host_of(ann)}\r\nCookie: {COOKIE}={cookie}\r\nOrigin: {origin}\r\n"
    form = f"Content-Type: multipart/form-data; boundary=x\r\nContent-Length: {64 * 2**16}\r\n"
    reader, writer = await asyncio.open_connection(host, int(port))
    writer.write(f"POST /api/clips HTTP/1.1\r\n{own}{form}Connection: close\r\n\r\n".encode())
    for _ in range(64):
        writer.write(bytes(2**16))
        await writer.drain()
        await asyncio.sleep(0.002)
    assert f" {status} ".encode() in await reader.readuntil(b"\r\n\r\n")
    writer.close()


async def test_the_session_cookie(ann: Visitor) -> None:
    """A session's cookie is for this site only and hidden from scripts, and is not replaced."""
    ann.http.cookie_jar.clear()
    async with ann.http.get(f"{ann.url}/", headers={"Cookie": f"{COOKIE}=forged"}) as page:
        text = page.headers["Set-Cookie"].lower()
        assert "httponly" in text
        assert "samesite=lax" in text
        assert "forged" not in text
        assert page.headers["X-Content-Type-Options"] == "nosniff"
    async with ann.http.get(f"{ann.url}/") as page:
        assert "Set-Cookie" not in page.headers


async def test_twenty_at_once(ann: Visitor, ben: Visitor, emulator: Emulator) -> None:
    """Of twenty uploads at once a visitor's limit is accepted; other visitors have their own limit."""
    answers = await asyncio.gather(*(ann.post() for _ in range(20)))
    assert Counter(status for status, _ in answers) == {201: 3, 429: 17}
    assert (await ben.post())[0] == 201
    for status, clip in answers:
        if status == 201:
            assert (await ann.ended(clip))["status"] == "done"
    assert (await ann.ended((await ann.post())[1]))["status"] == "done"
    assert emulator.ledger.created == 3 + 1 + 1


async def test_leaving_in_the_middle(ann: Visitor, settings: Settings, caplog: pytest.LogCaptureFixture) -> None:
    """Closing the page during an upload leaks nothing, frees the slot, and is not logged as an error."""
    cookies = "; ".join(f"{each.key}={each.value}" for each in ann.http.cookie_jar)
    body = b'--x\r\nContent-Disposition: form-data; name="picture"; filename="a.jpg"\r\n\r\n'
    head = (
        f"POST /api/clips HTTP/1.1\r\nHost: {host_of(ann)}\r\nCookie: {cookies}\r\nContent-Length: 200000\r\n"
        "Content-Type: multipart/form-data; boundary=x\r\n"
    )
    host, port = host_of(ann).split(":")
    for length in (0, 100, 100_000, 100_000):
        _, writer = await asyncio.open_connection(host, int(port))
        writer.write(head.encode() + b"\r\n" + body + bytes(length))
        await writer.drain()
        await asyncio.sleep(0.1)
        writer.close()
        await writer.wait_closed()
        await asyncio.sleep(2)
    assert await nothing_is_kept(ann, settings)
    assert (await ann.post())[0] == 201
    assert not [record for record in caplog.records if record.levelno >= logging.WARNING]


async def test_invalid_forms(ann: Visitor, settings: Settings, caplog: pytest.LogCaptureFixture) -> None:
    """An invalid form is refused with a message, and is not logged as an error."""
    form = "multipart/form-data; boundary=x"
    for kind, body in (
        ("application/json", b'{"prompt": "a cat"}'),
        ("multipart/form-data", b"no boundary"),
        (form, b"garbage"),
        (form, b"--x\r\n\r\nno name\r\n--x--\r\n"),
        (form, b'--x\r\nContent-Disposition: form-data; name="prompt"\r\n\r\n\xff\xfe\xff\r\n--x--\r\n'),
        (form, b'--x\r\nContent-Disposition: form-data; name="prompt"\r\n\r\nunfinished'),
        (form, b"--x\r\nContent-Type: multipart/mixed; boundary=y\r\n\r\n--y\r\n\r\n\r\n--y--\r\n--x--\r\n"),
    ):
        async with ann.http.post(f"{ann.url}/api/clips", data=body, headers={"Content-Type": kind}) as answer:
            assert answer.status in {400, 422}
            assert (await answer.json())["message"]
    assert await nothing_is_kept(ann, settings)
    assert not [record for record in caplog.records if record.levelno >= logging.ERROR]


async def test_other_addresses(ann: Visitor) -> None:
    """Every address is answered in the form that the page reads."""
    assert (await ann.get("/api/nothing"))[0] == 404
    async with ann.http.put(f"{ann.url}/api/clips") as answer:
        assert (answer.status, list(await answer.json())) == (405, ["message"])
    async with ann.http.post(f"{ann.url}/kling/token", data=b"{}") as answer:
        assert answer.status == 404  # callbacks are not used


async def test_prices(ann: Visitor) -> None:
    """The price of the chosen options is shown beforehand; problems are shown at their fields."""
    path = "/api/price?model_name=kling-v2-6&duration=10&sound="
    assert await ann.get(f"{path}true&mode=pro") == (200, {"units": "10", "usd": "1.40"})
    status, answer = await ann.get(f"{path}true&mode=std")
    assert (status, [problem["field"] for problem in answer["problems"]]) == (422, ["sound"])


async def test_options(ann: Visitor) -> None:
    """The form offers the options of the capability map, without retired models."""
    _, options = await ann.get("/api/options")
    modes = {model["name"]: {mode["mode"]: mode for mode in model["modes"]} for model in options["models"]}
    assert list(modes) == ["kling-v3", "kling-v2-6", "kling-v2-5-turbo"]
    assert modes["kling-v2-6"]["pro"] == {"mode": "pro", "durations": [5, 10], "sound": True, "size": "1080p"}
    assert modes["kling-v2-6"]["std"]["sound"] is False
    assert (options["upload_bytes"], options["prompt_letters"], options["running"]) == (10 * 2**20, 2500, 3)


async def test_the_service_refuses(ann: Visitor) -> None:
    """A clip that the service refuses is shown as failed, with the reason."""
    for prompt, reason in (("forbidden", "risk"), ("refused", "content safety")):
        clip = await ann.ended((await ann.post(prompt=prompt))[1])
        assert (clip["status"], clip["video"]) == ("failed", None)
        assert reason in clip["message"].lower()


async def test_the_budget_of_the_day(backend: str, tmp_path: Path, emulator: Emulator, time_is_virtual: None) -> None:  # noqa: ARG001  (a fixture, for what it does)
    """A clip beyond the day's budget is refused before it is stored, also after a restart; queued clips count."""
    settings = Settings(directory=tmp_path / "data", units="4", concurrency=1)
    async with SERVERS[backend](settings) as url, visitor(url) as ann:
        assert [(await ann.post())[0] for _ in range(3)] == [201, 201, 402]
    async with SERVERS[backend](settings) as url, visitor(url) as ann:
        status, answer = await ann.post()
        assert (status, list(answer)) == (402, ["message"])
        assert emulator.ledger.charged <= 4


async def test_a_post_that_is_repeated(ann: Visitor, ben: Visitor, emulator: Emulator) -> None:
    """The same key is the same clip, also concurrently or beyond the limit; another visitor's is another clip."""
    headers = {"Idempotency-Key": "one"}
    answers = await asyncio.gather(*(ann.post(headers=headers) for _ in range(2)))
    assert [status for status, _ in answers] == [201, 201]
    assert len({clip["id"] for _, clip in answers}) == 1
    assert [(await ann.post())[0] for _ in range(3)] == [201, 201, 429]
    assert (await ann.post(headers=headers))[1]["id"] == answers[0][1]["id"]
    status, other = await ben.post(headers=headers)
    assert (status, other["id"] == answers[0][1]["id"]) == (201, False)
    assert (await ann.post(headers={"Idempotency-Key": "../one"}))[0] == 422
    await ann.ended(answers[0][1])
    assert emulator.ledger.created >= 1


async def test_restarted(backend: str, settings: Settings, emulator: Emulator, time_is_virtual: None) -> None:  # noqa: ARG001  (a fixture, for what it does)
    """After a restart all clips are as before, also failed ones, and running ones continue."""
    async with SERVERS[backend](settings) as url, visitor(url) as ann:
        failed = await ann.ended((await ann.post(prompt="refused"))[1])
        done = await ann.ended((await ann.post())[1])
        _, running = await ann.post()
        cookies = [each.value for each in ann.http.cookie_jar]
    async with SERVERS[backend](settings) as url, visitor(url) as ann:
        ann.http.cookie_jar.update_cookies({COOKIE: cookies[0]}, URL(url))
        assert (await ann.ended(running))["status"] == "done"
        clips = (await ann.get("/api/clips"))[1]["clips"]
        assert [clip["id"] for clip in clips] == [running["id"], done["id"], failed["id"]]
        assert clips[1:] == [done, failed]
        async with ann.http.get(f"{url}{done['video']}") as video:
            assert (await video.read())[4:8] == b"ftyp"
    assert emulator.ledger.created == 2
