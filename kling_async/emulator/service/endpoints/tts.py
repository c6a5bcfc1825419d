"""Speech from a text, at once."""

from decimal import Decimal
from typing import Any, Final

from kling_async.emulator.results.sounds import SpeechResult
from kling_async.emulator.service.checks import fields
from kling_async.emulator.service.checks.text import check_content
from kling_async.emulator.service.endpoint import AcceptedRequest, Body
from kling_async.emulator.service.errors import invalid
from kling_async.emulator.service.synchronous import CallContext, CallEndpoint, without

_MEMBERS: Final[dict[str, Any]] = {"text": str, "voice_id": str, "voice_language": str, "voice_speed": float}
_UNITS: Final = Decimal("0.05")

_BOTH: Final = (
    "genshin_vindi2 zhinen_xuesheng ai_shatang genshin_klee2 genshin_kirara ai_kaiya ai_chenjiahao_712 cartoon-boy-07 "
    "cartoon-girl-01 chat1_female_new-3 ai_huangyaoshi_712 ai_laoguowang_712 chengshu_jiejie you_pingjing "
    "laopopo_speech02 heainainai_speech02"
)
_VOICES: Final = {
    "en": frozenset(
        f"{_BOTH} AOT oversea_male1 girlfriend_4_speech02 chat_0407_5-1 uk_boy1 PeppaPig_platform ai_huangzhong_712 "
        "calm_story1 uk_man2 reader_en_m-v1 commercial_lady_en_f-v1".split()
    ),
    "zh": frozenset(
        f"{_BOTH} tiyuxi_xuedi tiexin_nanyou girlfriend_1_speech02 girlfriend_2_speech02 zhuxi_speech02 uk_oldman3 "
        "dongbeilaotie_speech02 chongqingxiaohuo_speech02 chuanmeizi_speech02 chaoshandashu_speech02 "
        "ai_taiwan_man2_speech02 xianzhanggui_speech02 tianjinjiejie_speech02 diyinnansang_DB_CN_M_04-v2 "
        "yizhipiannan-v1 guanxiaofang-v2 tianmeixuemei-v1 daopianyansang-v1 mengwa-v1".split()
    ),
}
"""The published voices by language; not the catalogue of voices for videos."""

_SECONDS_OF_A_LETTER: Final = {"en": 0.065, "zh": 0.25}


def _speak(body: Body, context: CallContext) -> dict[str, Any]:
    """Speaks a text, and answers with the sound."""
    text = fields.limited(body, "text", 1000, "tts")
    voice = fields.required(body, "voice_id", str, "tts")
    language = fields.choice(body, "voice_language", _VOICES, "zh")
    if voice not in _VOICES[language]:
        raise invalid("Voice id not found")
    speed = fields.number(body, "voice_speed", float("-inf"), float("inf"))
    speed = 1.0 if speed is None else min(max(speed, 0.8), 2.0)  # values out of range are clamped
    check_content(text)
    seconds = max(len(text) * _SECONDS_OF_A_LETTER[language] / speed, 0.5)
    request = AcceptedRequest(
        units=_UNITS,
        prompt=text,
        watermark=False,
        external_task_id="",
        callback_url="",
        parameters=body,
        result=SpeechResult(text=text, milliseconds=int(1000 * seconds)),
    )
    return without(context.make(request), "task_info")


ENDPOINT: Final = CallEndpoint(path="/v1/audio/tts", members=_MEMBERS, answer=_speak, units=_UNITS)
