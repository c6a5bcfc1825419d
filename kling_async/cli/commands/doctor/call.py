"""Checks of the free call: what answered it, whether the key is right, the clocks' difference. Pure functions."""

from typing import Final
from urllib.parse import urlsplit

import attrs

from kling_async.cli.commands.doctor.checks import Check, State
from kling_async.cli.commands.doctor.host import BEIJING, OFFICIAL, Address, Host
from kling_async.cli.commands.doctor.way import why
from kling_async.cli.report import SHELL_WORDS
from kling_async.io.config import BASE_URL, LEGACY_HOST
from kling_async.protocol.auth import ApiKey, KeyPair
from kling_async.protocol.clock_offset import ABSURD, NEGLIGIBLE
from kling_async.protocol.error_codes import row_for
from kling_async.protocol.errors import (
    ApiError,
    ConcurrencyExceeded,
    ConnectionFailed,
    KlingError,
    RateLimited,
    ServerError,
    TokenTimeError,
)
from kling_async.protocol.redaction import redact, service_text
from kling_async.protocol.wire.envelope import HttpResponse
from kling_async.protocol.wire.responses import reason

FIRST_LETTERS: Final = 200
"""Number of letters that are shown of an answer that is not the service's."""


@attrs.frozen(kw_only=True)
class CallResult:
    """The result of the free call.

    Attributes:
        credentials: that were sent; None where there are none, or where they must not be sent to the address.
        answer: the last one received; None where there was none.
        error: that the client raised; None if the answer was a list of tasks.
        offset: seconds by which the answer's `Date` is ahead of this machine's clock; None where it has none.
        secrets: that must not be shown, even where an answer repeats them.
    """

    credentials: ApiKey | KeyPair | None
    answer: HttpResponse | None = None
    error: Exception | None = None
    offset: float | None = None
    secrets: frozenset[str] = attrs.field(default=frozenset(), repr=False)

    @property
    def by_service(self) -> bool:
        """Whether the service answered; only its own envelope is parsed as a list or as a refusal."""
        return self.answer is not None and (self.error is None or isinstance(self.error, ApiError))


def call(target: Address, result: CallResult | None) -> Check:
    """Checks whether the account's tasks can be listed, which costs nothing."""
    if result is None:
        return Check("call", State.SKIPPED, "no connection")
    if result.answer is None:
        match result.error:
            case KlingError(message=text):
                pass
            case TimeoutError():
                text = why(result.error)
            case _:  # its text comes from elsewhere, and may contain a key
                text = f"the call cannot be made with this key ({type(result.error).__name__})"
        permanent = isinstance(result.error, ConnectionFailed) and result.error.permanent
        advice = "look at the checks above" if permanent else "run it once more; look at the checks above"
        return Check("call", State.PROBLEM, redacted(text, result.secrets), advice)
    if not result.by_service:
        return _foreign(result.answer, result.secrets)
    if result.credentials is None:
        keyless = "there is no key to try" if target.takes_key else "no key was sent to this address"
        return Check("call", State.SKIPPED, f"the service answers; {keyless}")
    if not isinstance(result.error, KlingError):
        return Check("call", State.OK, "the account's tasks can be listed: the key is right for this address")
    return _refused(target, result.error, result, reason(result.answer))


def _refused(target: Address, error: KlingError, result: CallResult, words: str) -> Check:
    """Returns the check for a refusal by the service: its message as the text, and advice for its code."""
    text = f"{redacted(words, result.secrets)} (code {error.code}, HTTP {error.http_status})"
    if error.request_id:
        text += f", request_id {error.request_id}"
    if isinstance(error, RateLimited | ConcurrencyExceeded):  # only a valid key gets these errors
        return Check("call", State.WARNING, text, "the key is right; others use the account at this moment")
    if isinstance(error, ServerError):
        return Check("call", State.PROBLEM, text, "the service fails at the moment: run it again in some minutes")
    if isinstance(error, TokenTimeError):
        advice = "set this machine's clock right"
        if isinstance(result.credentials, ApiKey):
            advice = "KLING_API_KEY holds a token that has ended: give a key of the console"
        return Check("call", State.PROBLEM, text, advice)
    if error.code in {1000, 1001, 1002}:
        return Check("call", State.PROBLEM, text, _key_advice(target, result.credentials))
    row = row_for(error.code)
    hint = row.hint if row else ""
    remedy = SHELL_WORDS[error.remedy] if error.remedy else ""
    advice = "; ".join(part for part in (hint, remedy) if part)
    return Check("call", State.PROBLEM, text, advice or "look at the address and the account")


def _key_advice(target: Address, credentials: ApiKey | KeyPair | None) -> str:
    form = "KLING_API_KEY" if isinstance(credentials, ApiKey) else "KLING_ACCESS_KEY and KLING_SECRET_KEY"
    advice = f"copy {form} anew from the console"
    if isinstance(credentials, ApiKey) and not credentials.key.startswith("api-key-"):
        advice += " (API keys begin with api-key-; an access key belongs into KLING_ACCESS_KEY, with its secret key)"
    if target.kind is Host.LOCAL:
        return f"{advice}, or from what `kling-async emulator` printed"
    other = BASE_URL if target.url == BEIJING else BEIJING
    if target.kind is Host.OFFICIAL:
        made = OFFICIAL[urlsplit(other).hostname or ""]
        return f"{advice}; keys are regional: for an account made {made} set KLING_BASE_URL={other}"
    return f"{advice}; keys are regional: see that the address is the account's"


def _foreign(answer: HttpResponse, secrets: frozenset[str]) -> Check:
    """Returns the check for an answer that is not the service's."""
    kind = service_text(answer.headers.get("content-type", ""), 40)
    begin = redacted(answer.body[: 20 * FIRST_LETTERS].decode("utf-8", "replace"), secrets, FIRST_LETTERS)
    text = f"something other than the service answered: HTTP {answer.status}" + (f", {kind}" if kind else "")
    if 300 <= answer.status < 400:
        to = urlsplit(answer.headers.get("location", ""))
        if to.hostname:
            text += f", which leads to {redacted(f'{to.scheme}://{to.hostname}', secrets)}"
        advice = "look at the address; if the network has a login page, log in there with a browser first"
    elif answer.status == 407:
        advice = "the proxy needs a user: HTTPS_PROXY=http://USER:PASSWORD@host:port"
    elif answer.status >= 500:
        advice = "a gateway cannot reach the service: run it again in some minutes, look at the address"
    else:
        advice = "look at the address; a proxy, a login page of the network or a gateway answers in its place"
    return Check("call", State.PROBLEM, f"{text}: {' '.join(begin.split())}" if begin.strip() else text, advice)


def current(target: Address, result: CallResult | None, error: Exception | None) -> Check:
    """Checks whether the key works for the current generation, which takes API keys only.

    Args:
        target: the address.
        result: the free call, which must have succeeded.
        error: of the query of the current generation; None where it succeeded.
    """
    if result is not None and isinstance(result.credentials, KeyPair):
        text = "a key pair works for legacy paths only: models such as kling-3.0-turbo need an API key"
        return Check("current", State.SKIPPED, f"{text}, which works for all paths (KLING_API_KEY)")
    if result is None or not result.by_service or result.credentials is None or result.error is not None:
        return Check("current", State.SKIPPED, "see call")
    if target.host == LEGACY_HOST:
        advice = f"leave KLING_BASE_URL out for {BASE_URL}, or set it to {BEIJING}"
        return Check("current", State.WARNING, f"{LEGACY_HOST} does not serve the current generation", advice)
    if error is None:
        return Check("current", State.OK, "the key works for the current generation, such as kling-3.0-turbo, too")
    text = error.message if isinstance(error, KlingError) else type(error).__name__
    advice = "legacy paths work; look at the address, and whether the key is of this account's console"
    return Check(
        "current",
        State.WARNING,
        f"the query of the current generation failed: {redacted(text, result.secrets)}",
        advice,
    )


def redacted(text: str, secrets: frozenset[str], limit: int = 400) -> str:
    """Returns external text such that it can be shown."""
    return service_text(redact(text, secrets), limit)


def clock(result: CallResult | None) -> Check:
    """Compares this machine's clock with the service's, by which the tokens of a key pair are valid."""
    if result is None or not result.by_service:
        return Check("clock", State.SKIPPED, "the service did not answer")
    if result.offset is None:
        return Check("clock", State.SKIPPED, "the answer has no Date to compare with")
    apart = abs(result.offset)
    if apart <= NEGLIGIBLE:
        return Check("clock", State.OK, f"within {NEGLIGIBLE:g} s of the service's")
    side = "behind" if result.offset > 0 else "ahead of"
    text = f"{apart:.0f} s {side} the service's"
    if apart > ABSURD:
        state = State.PROBLEM if isinstance(result.credentials, KeyPair) else State.WARNING
        return Check("clock", state, text, "set this machine's clock right")
    advice = "set this machine's clock right"
    if isinstance(result.credentials, KeyPair):
        advice += "; until then the client corrects its tokens for it"
    return Check("clock", State.WARNING, text, advice)
