"""File URLs are requested as received, refreshed when expired, and get no credentials of the client."""

import asyncio
import base64
import functools
import warnings
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import aiohttp
import attrs
import pytest

import kling_async
from kling_async import DownloadError, Retry
from kling_async.io.target import check_target
from kling_async.io.transport import Transport
from kling_async.protocol.tasks import Task
from tests.shell.conftest import wall
from tests.shell.file_host import FileHost, finished, video, whole, with_length
from tests.shell.stub import Answer, Seen, answer
from tests.shell.test_odd_files import MOVIE

SIGNED = '/a%2Fb%20c/x.mp4?Expires=1&Signature=x~y-z_+/=%2f%2F&q=a+b|"{}'


def moved(status: int, location: str) -> bytes:
    """A redirect."""
    return answer(status, b"moved", Location=location)


def at_f(host: FileHost) -> Task:
    """A task whose video is at `/f`."""
    return finished(video(f"{host.base}/f"))


async def save(host: FileHost, target: Path, make: Callable[[FileHost], Task] = at_f, **options: Any) -> Path:
    """Saves a task that is created once the host's URL is known."""
    async with host.downloads(**options) as downloads:
        task = make(host)
        place = check_target(str(target), overwrite=False)
        return (await downloads.save(task, place, host.refresh(task), watermark=False, overwrite=False))[0]


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_a_redirect_is_followed_as_it_came(tmp_path: Path, status: int) -> None:
    """The target of a redirect is not re-encoded, since a signature covers its exact spelling."""
    host = FileHost(moved(status, SIGNED), lambda seen: moved(status, host.base + seen.path + "&2"), with_length(MOVIE))
    assert (await save(host, tmp_path / "x.mp4")).read_bytes() == MOVIE
    assert [seen.path for seen in host.seen] == ["/f", SIGNED, SIGNED + "&2"]


async def test_characters_that_a_request_line_cannot_contain(tmp_path: Path) -> None:
    """Blanks and non-ASCII letters are quoted, in URLs and redirects; newlines around them are removed."""
    host = FileHost(moved(302, "/c d?\xfc"), with_length(MOVIE))
    path = await save(host, tmp_path / "x.mp4", lambda host: finished(video(f"\r\n{host.base}/a b/猫?x=é\r\n")))
    assert path.read_bytes() == MOVIE
    assert [seen.path for seen in host.seen] == ["/a%20b/%E7%8C%AB?x=%C3%A9", "/c%20d?%C3%BC"]


async def test_an_address_without_a_scheme_has_that_of_the_service(tmp_path: Path) -> None:
    """`//host/x` is requested with the scheme of the service."""
    host = FileHost(with_length(MOVIE))
    await save(host, tmp_path / "x.mp4", lambda host: finished(video(host.base.removeprefix("http:") + "/x")))
    assert host.seen[0].path == "/x"


@pytest.mark.parametrize(
    "location", ["/f", "/g", "ftp://h/x", "file:///etc/passwd", "http://"], ids=["itself", "two", "ftp", "file", "none"]
)
async def test_a_redirect_that_leads_nowhere_ends_at_once(tmp_path: Path, location: str) -> None:
    """Redirect loops and other schemes fail at once."""
    loop = asyncio.get_running_loop()
    host = FileHost(lambda seen: moved(302, "/f" if seen.path == location == "/g" else location))
    began = loop.time()
    with pytest.raises(DownloadError):
        await save(host, tmp_path / "x.mp4")
    assert loop.time() - began < 1
    assert len(host.seen) <= 2


async def test_redirects_without_end(tmp_path: Path) -> None:
    """Ten redirects are followed, and no more."""
    numbers = iter(range(1000))
    host = FileHost(lambda _: moved(302, f"/{next(numbers)}"))
    with pytest.raises(DownloadError, match="too often"):
        await save(host, tmp_path / "x.mp4")
    assert len(host.seen) == 11


async def test_a_resumed_download_is_redirected_again(tmp_path: Path) -> None:
    """Each connection starts at the service's URL, and requests the rest from the redirect's target."""

    def respond(seen: Seen) -> Answer:
        if seen.path == "/f":
            return moved(302, f"/{len(host.seen)}")
        if "range" not in seen.headers:
            return with_length(MOVIE, cut=3000, ETag='"a"')
        return answer(206, MOVIE[3000:], ETag='"a"', Content_Range=f"bytes 3000-{len(MOVIE) - 1}/{len(MOVIE)}")

    host = FileHost(respond)
    assert (await save(host, tmp_path / "x.mp4")).read_bytes() == MOVIE
    assert [seen.path for seen in host.seen] == ["/f", "/1", "/f", "/3"]


@pytest.mark.parametrize("address", ["ftp://h/x", "file:///etc/passwd", "data:video/mp4;base64,AAAA", "x.mp4", "http:"])
async def test_another_scheme_fails_at_once(tmp_path: Path, address: str) -> None:
    """A URL that cannot be fetched fails without a request; the error names the task."""
    loop = asyncio.get_running_loop()
    host, began = FileHost(with_length(MOVIE)), loop.time()
    with pytest.raises(DownloadError, match="the file's address") as caught:
        await save(host, tmp_path / "x.mp4", lambda _: finished(video(address)))
    assert caught.value.reference == "image2video:9"
    assert (host.seen, host.refreshes) == ([], 0)
    assert loop.time() - began < 1
    assert whole(tmp_path) == []


async def test_one_bad_address_does_not_cost_the_others(tmp_path: Path) -> None:
    """All reachable videos are saved before the error about the unreachable one is raised."""
    host = FileHost(with_length(MOVIE))
    with pytest.raises(DownloadError, match="begins with ftp:"):
        await save(host, tmp_path / "x.mp4", lambda host: finished(video("ftp://h/x"), video(f"{host.base}/f")))
    assert whole(tmp_path) == ["x-2.mp4"]


# --------------------------------------------------------------------------------------------- renewed addresses


@pytest.mark.parametrize("status", [400, 401, 403, 410])
async def test_an_expired_address_is_renewed_once(tmp_path: Path, status: int) -> None:
    """A refused URL causes one query to the service; if the fresh one is refused, too, the save fails."""
    loop = asyncio.get_running_loop()
    host = FileHost(answer(status), with_length(MOVIE))
    assert (await save(host, tmp_path / "x.mp4")).read_bytes() == MOVIE
    assert host.refreshes == 1
    host, began = FileHost(answer(status)), loop.time()
    with pytest.raises(DownloadError, match="30 days") as caught:
        await save(host, tmp_path / "y.mp4")
    assert (host.refreshes, caught.value.http_status) == (1, status)
    assert loop.time() - began < 1


async def test_an_answer_about_another_task_renews_nothing(tmp_path: Path) -> None:
    """A response about another task does not renew a URL: no other task's video is saved."""
    host = FileHost(answer(403), with_length(MOVIE))
    async with host.downloads() as downloads:
        task = at_f(host)
        host.tasks = [attrs.evolve(finished(video(f"{host.base}/theirs")), task_id="8")]
        place = check_target(str(tmp_path / "x.mp4"), overwrite=False)
        await downloads.save(task, place, host.refresh(task), watermark=False, overwrite=False)
    assert [seen.path for seen in host.seen] == ["/f", "/f"]


async def test_each_video_may_expire(tmp_path: Path) -> None:
    """The second video's URL is renewed, too, after the first one's was."""
    host = FileHost(answer(403), with_length(MOVIE), answer(403), with_length(MOVIE))
    await save(host, tmp_path / "x.mp4", lambda host: finished(video(f"{host.base}/1"), video(f"{host.base}/2")))
    assert whole(tmp_path) == ["x-2.mp4", "x.mp4"]
    assert host.refreshes == 2


def ended(seconds_ago: float | None) -> Callable[[FileHost], Task]:
    """Returns a task that ended `age` seconds ago; None if the service does not report it."""
    moment = None if seconds_ago is None else datetime.fromtimestamp(wall()(), UTC) - timedelta(seconds=seconds_ago)
    return lambda host: finished(video(f"{host.base}/f"), updated_at=moment)


@pytest.mark.parametrize("ago", [5.0, 59.0, None, -30.0])
async def test_a_file_that_has_not_arrived_yet_is_waited_for(tmp_path: Path, ago: float | None) -> None:
    """On 404 in the first minute after a task's end, the task is queried until the budget is spent."""
    host = FileHost(*[answer(404)] * 5, with_length(MOVIE))
    assert (await save(host, tmp_path / "x.mp4", ended(ago))).read_bytes() == MOVIE
    assert host.refreshes == 5
    loop = asyncio.get_running_loop()
    host, began = FileHost(answer(404)), loop.time()
    with pytest.raises(DownloadError, match="does not have it yet"):
        await save(host, tmp_path / "y.mp4", ended(ago))
    assert loop.time() - began == pytest.approx(Retry().budget, abs=0.1)  # the last attempt is at its end
    assert host.refreshes > 5


async def test_a_file_that_is_gone_is_not_waited_for(tmp_path: Path) -> None:
    """404 long after the end means an expired URL: it is refreshed once, then the save fails."""
    host = FileHost(answer(404))
    with pytest.raises(DownloadError, match="30 days"):
        await save(host, tmp_path / "x.mp4", ended(3600.0))
    assert host.refreshes == 1


async def test_a_task_whose_videos_are_not_listed_yet(tmp_path: Path) -> None:
    """`succeed` without videos is queried again within the budget; so is a missing watermarked variant."""
    host = FileHost(with_length(MOVIE))
    async with host.downloads() as downloads:
        good = finished(video(f"{host.base}/f", f"{host.base}/w"), watermark=True)
        for number, (early, marked) in enumerate([(finished(), False), (finished(watermark=True), True)]):
            host.tasks = [early, early, good]
            place = check_target(str(tmp_path / f"{number}.mp4"), overwrite=False)
            await downloads.save(early, place, host.refresh(early), watermark=marked, overwrite=False)
        unmarked = finished(video(f"{host.base}/f"), watermark=True)
        host.tasks = [unmarked, good]
        place = check_target(str(tmp_path / "2.mp4"), overwrite=False)
        await downloads.save(unmarked, place, host.refresh(unmarked), watermark=True, overwrite=False)
    assert [seen.path for seen in host.seen] == ["/f", "/w", "/w"]
    loop = asyncio.get_running_loop()
    began = loop.time()
    with pytest.raises(DownloadError, match="the finished task has no file"):
        await save(FileHost(None), tmp_path / "x.mp4", lambda _: finished())
    assert loop.time() - began == pytest.approx(
        Retry().budget, abs=0.1
    )  # the last query comes at the end of the budget


async def test_only_a_watermarked_video(tmp_path: Path) -> None:
    """If only the other variant exists, the error is raised at once."""
    loop = asyncio.get_running_loop()
    began = loop.time()
    host = FileHost(with_length(MOVIE))

    def watermarked(url: str | None, host: FileHost) -> Task:
        return finished(video(url, f"{host.base}/w"))

    for nothing in (None, ""):
        with pytest.raises(DownloadError, match="watermark=True saves it"):
            await save(host, tmp_path / "x.mp4", functools.partial(watermarked, nothing))
    with pytest.raises(DownloadError, match="no address"):
        await save(host, tmp_path / "x.mp4", lambda _: finished(video("")))
    with pytest.raises(DownloadError, match="watermark_info"):
        await host.save(tmp_path / "x.mp4", finished(video("http://h/x")), watermark=True)
    assert loop.time() - began < 1


# ------------------------------------------------------------------------------------------ what is sent there


def lent(kind: str) -> aiohttp.ClientSession:
    """A session that would send credentials, in one way or another."""
    jar = aiohttp.CookieJar(unsafe=True)
    jar.update_cookies({"session": "secret"})
    headers = {"X-Api-Key": "secret", "Referer": "https://secret", "Accept": "text/html", "User-Agent": "mine"}
    if kind == "headers":
        headers |= {"Authorization": "Bearer secret", "Host": "secret", "Cookie": "secret=1"}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        auth = aiohttp.BasicAuth("user", "secret") if kind == "auth" else None
        return aiohttp.ClientSession(
            headers=headers, cookie_jar=jar, auth=auth, trust_env=kind == "netrc", middlewares=[_leaking]
        )


async def _leaking(request: aiohttp.ClientRequest, handler: aiohttp.ClientHandlerType) -> aiohttp.ClientResponse:
    request.headers["X-More"] = "secret"
    return await handler(request)


@pytest.mark.usefixtures("nothing_is_left")
@pytest.mark.parametrize("kind", ["headers", "auth", "netrc"])
async def test_nothing_of_a_lent_session_goes_to_the_file_host(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    """A borrowed session's headers, cookies, `auth`, middlewares and `.netrc` are not used, also across a redirect."""
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login user password secret\n")
    netrc.chmod(0o600)
    monkeypatch.setenv("NETRC", str(netrc))
    host = FileHost(moved(302, "/g"), with_length(MOVIE))
    async with lent(kind) as session:
        assert (await save(host, tmp_path / "x.mp4", session=session)).read_bytes() == MOVIE
        assert not session.closed
    assert len(host.seen) == 2
    for seen in host.seen:
        assert seen.headers == {
            "host": host.base.removeprefix("http://"),
            "user-agent": f"kling-async/{kling_async.__version__}",
            "accept": "*/*",
            "accept-encoding": "identity",
        }


async def test_credentials_in_a_url_go_to_its_host(tmp_path: Path) -> None:
    """User and password in a URL are sent to its host, and not along with a redirect."""
    host = FileHost(moved(302, "/g"), with_length(MOVIE))
    await save(host, tmp_path / "x.mp4", lambda host: finished(video(host.base.replace("//", "//me:p%40ss@") + "/f")))
    assert host.seen[0].headers["authorization"] == f"Basic {base64.b64encode(b'me:p@ss').decode()}"
    assert "authorization" not in host.seen[1].headers


async def test_a_redirect_to_cleartext_is_warned_of(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A redirect from https to http is followed with a warning."""
    transport = Transport("https://h")
    answers = iter([302, 200])

    class Response:
        headers: dict[str, str]

        def __init__(self) -> None:
            self.status = next(answers)
            self.headers = {"Location": "http://h/x"}

        def close(self) -> None:
            """Closes nothing."""

    async def get(*_: object) -> Response:
        return Response()

    monkeypatch.setattr(transport, "_get", get)
    await transport._follow_redirects("https://h/f", {})
    assert "unencrypted" in caplog.text
