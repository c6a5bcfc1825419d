import base64
import hashlib
import re
from datetime import UTC, datetime
from decimal import Decimal
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pytest

from kling_async import GenerateImages, OmniVideo, RawTask, TextToSpeech, VideoEffect
from kling_async.batch import report_text
from kling_async.batch.report_page import page
from kling_async.batch.report_sums import sums_of
from kling_async.batch.result import RowResult, RowStatus
from kling_async.batch.row import Row
from kling_async.protocol.endpoint import Pool

from .results import OUT, result, row

WHEN = datetime(2026, 11, 30, 2, 25, tzinfo=UTC)
SCRIPT = "</script><script>alert(1)</script><img src=x onerror=alert(1)>\"'&amp;"


class Parsed(HTMLParser):
    """A page as parsed by a browser: its elements with attributes, its text, and its inline style and script."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.raw: dict[str, str] = {"style": "", "script": "", "title": ""}
        self.text = ""
        self._inside = ""
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Records a start tag."""
        self.elements.append((tag, dict(attrs)))
        self._inside = tag if tag in self.raw else ""  # the three elements with raw text

    def handle_endtag(self, tag: str) -> None:  # noqa: ARG002  (named as in the base class)
        """Ends raw text."""
        self._inside = ""

    def handle_data(self, data: str) -> None:
        """Records text."""
        if self._inside:
            self.raw[self._inside] += data
        else:
            self.text += data

    def all(self, tag: str, **wanted: str) -> list[dict[str, str | None]]:
        """The elements with this tag."""
        found = [attributes for name, attributes in self.elements if name == tag]
        return [each for each in found if wanted.items() <= {k: v or "" for k, v in each.items()}.items()]


def written(*results: RowResult, title: str = "jobs") -> str:
    """Renders the page of some results."""
    return page(results, OUT, title=title, written=WHEN)


def parsed(*results: RowResult, title: str = "jobs") -> Parsed:
    """Renders and parses it."""
    return Parsed(written(*results, title=title))


# ---------------------------------------------------------------------------------------------- no injection


def test_untrusted_text_stays_text() -> None:
    """No id, prompt, error, task, title, model or file name can add an element or a script."""
    odd = result(
        SCRIPT,
        RowStatus.FAILED,
        row=row(SCRIPT, f"/batch/in/{SCRIPT}.png", prompt=SCRIPT, model_name=SCRIPT),
        task_id=SCRIPT,
        error=SCRIPT,
        files=(OUT / f"{SCRIPT.replace('/', '_')}.mp4",),
    )
    plain = result("a", odd.status, row=row("a", "/batch/in/a.png"), task_id="1", error="e", files=(OUT / "a.mp4",))
    found, usual = parsed(odd, title=SCRIPT), parsed(plain)
    assert [tag for tag, _ in found.elements] == [tag for tag, _ in usual.elements]
    assert [set(each) for _, each in found.elements] == [set(each) for _, each in usual.elements]
    assert found.raw["script"] == usual.raw["script"]
    assert found.text.count(SCRIPT) >= 6
    assert found.raw["title"] == SCRIPT


def test_the_policy_allows_only_what_is_in_the_page() -> None:
    """Scripts and styles are allowed by their digests, pictures and media from files, and nothing else."""
    found = parsed(result())
    [policy] = [str(each["content"]) for each in found.all("meta") if "http-equiv" in each]
    rules = dict(rule.strip().split(" ", 1) for rule in policy.split(";"))
    assert rules.pop("default-src") == "'none'"
    for name in ("style", "script"):
        digest = base64.b64encode(hashlib.sha256(found.raw[name].encode()).digest()).decode()
        assert rules.pop(f"{name}-src") == f"'sha256-{digest}'"
    assert rules == {
        "img-src": "'self' file:",
        "media-src": "'self' file:",
        "base-uri": "'none'",
        "form-action": "'none'",
    }


def test_the_page_is_one_file() -> None:
    """There is one script and one style, both inline, no event handler attribute, and no web address."""
    text = written(result(row=row("cat", "/batch/in/cat.png"), files=(OUT / "cat.mp4",)))
    found = Parsed(text)
    assert [found.all("script"), found.all("style"), found.all("link")] == [[{}], [{}], []]
    assert not [name for _, each in found.elements for name in each if name.startswith("on") or name == "style"]
    assert not re.search(r"https?:|//[a-z]", re.sub(r"\n\s*//.*", "", text))


def test_text_in_attributes() -> None:
    """Text in quotes cannot end them."""
    assert report_text.escaped("\"'<&>") == "&quot;&#x27;&lt;&amp;&gt;"


@pytest.mark.parametrize("picture", ["https://example.com/a.png?sign=SECRET", "http://h/a.png", "data:image/png,x"])
def test_pictures_of_the_web_are_not_loaded(picture: str) -> None:
    """A picture given by its address is not shown: the page works offline, and contacts no server."""
    text = written(result(row=row("cat", picture)))
    assert "<img" not in text
    assert "SECRET" not in text


def test_an_error_has_no_signature() -> None:
    """An address in an error loses its query."""
    text = written(result("cat", RowStatus.FAILED, error="no answer of https://cdn.example/a.mp4?sign=SECRET"))
    assert "https://cdn.example/a.mp4?…" in text
    assert "SECRET" not in text


def test_overrides_of_direction_end_with_the_text() -> None:
    """Text that changes the writing direction is isolated; in the title, where that is impossible, it is removed."""
    turned = "\u202egpj.tac"
    text = written(result(turned, RowStatus.FAILED, error=turned, row=row(turned, prompt=turned)), title=turned)
    assert text.count(turned) == text.count(f"<bdi>{turned}</bdi>") == 4
    assert "<title>gpj.tac</title>" in text


# ---------------------------------------------------------------------------------------------- links to files


@pytest.mark.parametrize(
    ("path", "way"),
    [
        ("/batch/out/cat.mp4", "cat.mp4"),
        ("/batch/out/a/b.mp4", "a/b.mp4"),
        ("/batch/in/cat.png", "../in/cat.png"),
        ("/cat.png", "../../cat.png"),
        ("/batch/out/a b#c?d%e&f\"g'h.mp4", "a%20b%23c%3Fd%25e%26f%22g%27h.mp4"),
        ("/batch/out/https:x.mp4", "https%3Ax.mp4"),
        ("/batch/out/é名.mp4", "%C3%A9%E5%90%8D.mp4"),
        ("/batch/out/\udce9.mp4", "%E9.mp4"),
        ("/batch/out/back\\slash.mp4", "back%5Cslash.mp4"),
        ("/batch/out/\ud800.mp4", None),
        ("/batch/out/\0.mp4", None),
        ("cat.mp4", None),
    ],
)
def test_links_to_nearby_files(path: str, way: str | None) -> None:
    """A file in or near the report's directory is linked relatively, with special characters encoded."""
    assert report_text.href(path, OUT) == way


def test_distant_files_have_absolute_links() -> None:
    """A file that would not be moved with the report has a link that stays valid when the report is moved."""
    assert report_text.href("/pictures/my cat.png", Path("/a/b/c")) == "file:///pictures/my%20cat.png"


def test_links_lead_to_the_files() -> None:
    """Each file has a link by its name, and a playable one has its kind."""
    names = ["cat.mp4", "cat-2.PNG", "cat.mp3", "cat.zip", "../../else/x y.mp4"]
    files = (*(OUT / name for name in names[:4]), Path("/else/x y.mp4"))
    links = [each for each in parsed(result(files=files)).all("a") if "class" not in each]
    assert [unquote(str(each["href"])) for each in links] == names
    assert [each.get("data-kind") for each in links] == ["video", "picture", "sound", None, "video"]


# ------------------------------------------------------------------------------------------------- a row


def test_the_picture_is_small_and_waits() -> None:
    """The first picture is shown, loaded lazily, and links to the video."""
    found = parsed(result(row=row("cat", "/batch/in/a.png", "/batch/in/b.png"), files=(OUT / "cat.mp4",)))
    assert found.all("img") == [{"src": "../in/a.png", "alt": "", "loading": "lazy", "decoding": "async"}]
    assert [each["href"] for each in found.all("a") if each.get("class") == "shot video"] == ["cat.mp4"]


def test_without_a_picture_what_was_made_is_shown() -> None:
    """A picture made from text is its own thumbnail; without a picture the box is empty."""
    assert parsed(result(files=(OUT / "a.png",))).all("img", src="a.png")
    assert parsed(result(files=(OUT / "a.mp4",))).all("img") == []
    assert parsed(result()).all("div", **{"class": "shot"})


def test_contents_of_a_row() -> None:
    """Id, prompt, endpoint, model, mode, length, line, attempts, task, status, cost and time appear as text."""
    full = result(
        line=7,
        row=row(mode="pro", duration=10),
        task_id="987",
        units=Decimal("1234.50"),
        usd=Decimal("172.83"),
        seconds=3725.4,
        attempts=2,
    )
    text = parsed(full).text
    parts = ["cat", "slow push in", "image_to_video · kling-v2-6 · pro · 10 s · line 7 · 2 attempts · task 987"]
    assert [part for part in [*parts, "done", "1,234.5 units", "$172.83", "1:02:05"] if part not in text] == []


@pytest.mark.parametrize(("estimated", "shown"), [(True, "~1.5 units~$0.21"), (False, "1.5 units$0.21")])
def test_estimates_are_marked(*, estimated: bool, shown: str) -> None:
    """A cost that the service did not report is prefixed with ~."""
    assert shown in parsed(result(units=Decimal("1.5"), usd=Decimal("0.21"), estimated=estimated)).text


@pytest.mark.parametrize(
    ("shown", "value"),
    [
        ("$0.00", report_text.usd_text(Decimal(0))),
        ("$2.10", report_text.usd_text(Decimal("2.1"))),
        ("$100.00", report_text.usd_text(Decimal(100))),
        ("$0.0035", report_text.usd_text(Decimal("0.0035"))),
        ("$1,234.50", report_text.usd_text(Decimal("1234.5"))),
        ("0", report_text.units_text(Decimal("0.00"))),
        ("100", report_text.units_text(Decimal(100))),
        ("0:00", report_text.time_text(-3)),
        ("1:00", report_text.time_text(59.7)),
        ("59:59", report_text.time_text(3599)),
        ("100:00:01", report_text.time_text(360001)),
    ],
)
def test_numbers_as_people_read_them(shown: str, value: str) -> None:
    """Money has cents, or more digits if needed; units have no trailing zeros, times no unneeded parts."""
    assert value == shown


def test_an_error_is_shown_in_full() -> None:
    """An error is not shortened, however long, and however many lines it has."""
    error = "2 problems:\n" + "\n".join(f"  - {number}: {'x' * 80}" for number in range(50))
    assert error in parsed(result("cat", RowStatus.INVALID, error=error)).text


def test_a_long_prompt_opens() -> None:
    """The beginning of a long prompt is visible, and the rest is in the page."""
    prompt = " ".join(f"word{number}" for number in range(60))
    found = parsed(result(row=row(prompt=prompt)))
    assert len(found.all("details")) == 1
    assert found.text.count(prompt) == 1
    assert parsed(result(row=row())).all("details") == []


@pytest.mark.parametrize(
    ("request_", "prompt"),
    [
        (TextToSpeech(text="hello", voice_id="v", voice_language="en"), "hello"),
        (VideoEffect("pet_dance", image="cat.png"), "pet_dance"),
        (OmniVideo(multi_prompt=[{"index": 1, "prompt": "one shot", "duration": 5}]), "one shot"),
        (RawTask("/v1/x/y", {"prompt": "raw words"}), "raw words"),
        (OmniVideo(multi_prompt=7), ""),  # type: ignore[arg-type]  # an invalid value must not prevent a report
        (None, ""),
        (GenerateImages(prompt=""), ""),
    ],
)
def test_the_prompt_is_shown(request_: Any, prompt: str) -> None:
    """The prompt is shown under any name that the record has for it; rows without one have no such line."""
    found = parsed(result(row=Row(id="x", endpoint="e", request=request_)))
    assert prompt in found.text
    assert bool(found.all("p", **{"class": "prompt"})) is bool(prompt)


# ------------------------------------------------------------------------------------------------- the top


def test_sums() -> None:
    """Sent rows are added up, separately for each pack; unsent ones cost nothing, even with a price."""
    picture = Row(id="p", endpoint="e", request=GenerateImages(prompt="x"))
    sums = sums_of(
        [
            result(row=row(), units=Decimal("1.5"), usd=Decimal("0.21"), seconds=100),
            result(row=row(), units=Decimal("2.5"), usd=Decimal("0.35"), seconds=300, estimated=True),
            result(row=picture, units=Decimal(8), usd=Decimal("0.028"), seconds=20),
            result(row=row()),
            result("f", RowStatus.FAILED, row=row()),
            result("r", RowStatus.RUNNING, row=row()),
            result("o", RowStatus.OVER_BUDGET, row=row(), units=Decimal(100), usd=Decimal(14), estimated=True),
            result("w", RowStatus.WAITING, row=row(), units=Decimal(100), usd=Decimal(14)),
        ]
    )
    assert sums.units == {Pool.VIDEO: Decimal("4.0"), Pool.IMAGE: Decimal(8)}
    assert (sums.usd, sums.unpriced) == (Decimal("0.588"), 1)
    assert sums.estimated == {Pool.VIDEO}
    assert (sums.seconds, sums.median) == (420, 100)
    assert list(sums.counts.items()) == [
        (RowStatus.DONE, 4),
        (RowStatus.FAILED, 1),
        (RowStatus.OVER_BUDGET, 1),
        (RowStatus.RUNNING, 1),
        (RowStatus.WAITING, 1),
    ]


def test_the_totals_at_the_top() -> None:
    """Rows by status, units, dollars, median and total time, and when it was written."""
    done = result(row=row(), units=Decimal("1.5"), usd=Decimal("0.21"), seconds=100)
    text = parsed(done, done, result("x", RowStatus.UNKNOWN, units=Decimal("1.5"), estimated=True)).text
    parts = ["2 done, 1 unknown", "~$0.42", "~4.5 units", "1:40", "3:20 in all", "written 2026-11-30 02:25 UTC"]
    assert [part for part in parts if part not in text] == []


def test_nothing_was_sent() -> None:
    """A batch without rows, or with only invalid ones, has a report, too."""
    assert "nothing was paid" in parsed().text
    assert "nothing was paid" in parsed(result("x", RowStatus.INVALID, error="no")).text


def test_each_status_has_a_button_and_a_colour() -> None:
    """All statuses appear in the page's order, the style and the filter, with their counts."""
    found = parsed(*(result(status.value, status) for status in RowStatus))
    words = [each["data-status"] for each in found.all("button")]
    assert sorted(map(str, words)) == sorted(["", *(status.value.replace(" ", "-") for status in RowStatus)])
    assert all(f".{word}" in found.raw["style"] for word in words if word)


def test_without_its_script_all_is_there() -> None:
    """Without the script all rows are visible, and the controls that need it are hidden."""
    found = parsed(result(row=row(), files=(OUT / "cat.mp4",)))
    hidden = [each.get("id") for _, each in found.elements if "hidden" in each]
    assert hidden == ["tools", "nothing"]
    assert len(found.all("tr")) == 2


def luminance(colour: str) -> float:
    """The relative luminance of a colour, as defined by WCAG 2."""
    digits = colour.removeprefix("#")
    digits = "".join(2 * digit for digit in digits) if len(digits) == 3 else digits
    parts = [int(digits[at : at + 2], 16) / 255 for at in (0, 2, 4)]
    red, green, blue = (part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def test_texts_can_be_read() -> None:
    """Each text colour has a contrast of at least 4.5 on both backgrounds: in light and dark mode, and in print."""
    schemes = re.findall(r":root \{(.*?)\}", parsed().raw["style"], re.DOTALL)
    assert len(schemes) == 3
    for scheme in schemes:
        colours = dict(re.findall(r"--(\w+): (#\w+)", scheme))
        for ground in ("ground", "card"):
            for ink in ("ink", "soft", "accent", "good", "bad", "warn"):
                darker, lighter = sorted((luminance(colours[ground]), luminance(colours[ink])))
                assert (lighter + 0.05) / (darker + 0.05) >= 4.5, (ground, ink)
