"""What breaks each of C1 to C32."""

from typing import Final

from .bodies import I2V, MOTION, O1, OMNI, OMNI_3, T2V, TWO_SHOTS, Case, body, item, named, with_prompt

REFUSED: Final = "refused"
WARNED: Final = "warned"

V26, V25, V3, TURBO = (f"{I2V}kling-{name}" for name in ("2.6", "2.5-turbo", "3.0", "3.0-turbo"))
M3 = f"{MOTION}kling-3.0"
T2V_3 = f"{T2V}kling-3.0"
IMAGES_5 = named("refer_image", *"abcde")
BOTH = body(V26, item("last_frame"), resolution="1080p", audio="native")
THREE = body(V26, *named("voice", *"xyz"), audio="native", resolution="1080p")
NATIVE = body(OMNI_3, item("feature_video"), audio="native")
SHOTS = with_prompt(TWO_SHOTS, OMNI_3, multi_shot=False)
WITH_VIDEO = {**SHOTS, "contents": [*SHOTS["contents"], item("feature_video")]}
EDITED_NATIVE = body(OMNI_3, item("base_video"), audio="native", multi_shot=False)
EDITED_SHOTS = {**SHOTS, "contents": [*SHOTS["contents"], item("base_video")]}
FRAMED = body(OMNI_3, item("first_frame"), *named("element", *"wxyz"))
REFERRED = body(OMNI_3, item("feature_video"), aspect_ratio=None)
FRAMES = [item("first_frame"), item("last_frame")]
UNSAID = body(M3, character_orientation=None)
LOOKING = body(M3, item("element"), character_orientation="image")
NAMELESS = body(V3, {"type": "element", "element_id": "1"})
MAIL = {"contents": [item("prompt", text="write to me@gmail.com"), item("first_frame"), *named("element", "gmail")]}
SHOT_PROMPTS = [
    ("shot 1, 3, a; shot 3, 2, b;", "not counted"),
    ("shot 1, 3, a; shot 2, 3, b;", "last 6 s together"),
    ("shot 1, 5, a; shot 2, 0, b;", "at least 1"),
    (f"shot 1, 5, {'x' * 513};", "at most 512"),
    ("shot 1, 3, a; shot 2, 2, ;", "says nothing"),
    ("shot 1, 3, a; then b; shot 2, 2, c", "semicolon"),
    ("".join(f"shot {number}, 1, x; " for number in range(1, 8)), "at most 6"),
    ("shot 1\uff0c3\uff0ca\uff1bshot 2\uff0c2\uff0cb\uff1b", "full-width"),
    ("shot \uff11, 5, a", "full-width"),
    ("shot 1, \uff15, a", "full-width"),
    ("shot 1\u30015\u3001a", "full-width"),
    ("shot 1, 2s, a; shot 2, 3, b", "whole seconds"),
    ("shot 1, 2.5, a", "got '2.5'"),
    ("shot 1, -5, a", "got '-5'"),
    ("shot 1, 5", "says nothing"),
    ("shot 1,", "says nothing"),
    ("shot 1, a cat; shot 2, a dog", "got 'a cat'"),
    ("shot 1, 2, a; shot 2, b", "shot 2: expected whole"),
    ("Shot 1 , 2, a; SHOT 3, 3, b", "not counted"),
    ("shot1, 5, a", "not counted"),
    ("shot 0, 5, a", "not counted"),
    ("shot 1.5, 5, a", "not counted"),
    ("shot 12345678901, 5, a", "not counted"),
]
IDS = {"options": {"external_task_id": "a,b"}}
MARK = {"options": {"watermark_info": {"enabled": "yes"}}}

SHAPE = [
    Case("C1", V3, {**body(V3), "duration": 10}, "duration", REFUSED, "belongs into settings"),
    Case("C1", V3, {**body(V3), "callback_url": "https://a.example"}, "callback_url", REFUSED, "into options"),
    Case("C1", V3, {**body(V3), "mode": "pro"}, "mode", REFUSED, "resolution in settings"),
    Case("C1", V3, {**body(V3), "colour": 1}, "colour", REFUSED, "is not known"),
    Case("C1", V3, body(V3, negative_prompt="x"), "settings.negative_prompt", REFUSED, "say it in the prompt"),
    Case("C1", V3, body(V3, seed=1), "settings.seed", WARNED, "not documented"),
    Case("C1", V3, {**body(V3), "options": {"priority": 1}}, "options.priority", REFUSED, "is not known"),
    Case("C1", V26, body(V26, item("last_frame", id="a"), resolution="1080p"), "contents[2].id", REFUSED, "no such"),
    Case("C1", V3, {**body(V3), "settings": []}, "settings", REFUSED, "expected an object"),
    Case("C2", T2V_3, {}, "prompt", REFUSED, "is required"),
    Case("C2", T2V_3, {"prompt": " "}, "prompt", REFUSED, "is required"),
    Case("C2", T2V_3, {"prompt": "a", "contents": []}, "contents", REFUSED, "not for words alone"),
    Case("C3", V3, {}, "contents", REFUSED, "is required"),
    Case("C3", V3, {"contents": []}, "contents", REFUSED, "is empty"),
    Case("C3", V3, {"contents": {}}, "contents", REFUSED, "a list"),
    Case("C3", V3, {"contents": [{}]}, "contents[0].type", REFUSED, "is required"),
    Case("C3", V3, {"contents": ["x"]}, "contents[0]", REFUSED, "expected an object"),
    Case("C3", V3, body(V3, item("last_frame", url=" ")), "contents[2].url", REFUSED, "is blank"),
    Case("C3", V3, with_prompt(" ", V3), "contents[0].text", REFUSED, "is blank"),
    Case("C3", V3, {**body(V3), "prompt": "a cat"}, "prompt", REFUSED, "stands in contents"),
    Case("C3", V3, {"contents": [item("prompt")]}, "contents", REFUSED, "first_frame is required"),
    Case("C3", V3, {"contents": [item("first_frame")]}, "contents", WARNED, "prompt is left out"),
    Case("C3", V3, body(V3, item("prompt")), "contents[2]", REFUSED, "second prompt"),
    Case("C3", V3, body(V3, item("last_frame", url=object())), "contents[2].url", REFUSED, "as JSON"),
    Case("C3", V3, body(V3, item("element", element_id=162)), "contents[2].element_id", REFUSED, "expected text"),
    Case("C2", T2V_3, {"prompt": 5}, "prompt", REFUSED, "expected text"),
    Case("JSON", V3, body(V3, resolution=object()), "settings.resolution", REFUSED, "as JSON"),
    Case("JSON", V3, {**body(V3), "options": {"priority": b"x"}}, "options.priority", REFUSED, "as JSON"),
    Case("JSON", V3, {**body(V3), "colour": float("nan")}, "colour", REFUSED, "as JSON"),
    Case("JSON", V3, {**body(V3), 1: 2}, "body", REFUSED, "names of members"),
    Case("C4", OMNI_3, body(OMNI_3, item("video")), "contents[1].type", REFUSED, "feature_video or base_video"),
    Case("C4", TURBO, body(TURBO, item("last_frame")), "contents[2].type", REFUSED, "not for kling-3.0-turbo"),
]

SETTINGS = [
    Case("C5", V3, body(V3, resolution="480p"), "settings.resolution", REFUSED, "use 720p, 1080p or 4k"),
    Case("C5", V26, body(V26, resolution="4k"), "settings.resolution", REFUSED, "use 720p or 1080p"),
    Case("C5", V3, body(V3, resolution="4K"), "settings.resolution", REFUSED, "use 720p"),
    Case("C5", V3, body(V3, duration=16), "settings.duration", REFUSED, "use 3 to 15"),
    Case("C5", V26, body(V26, duration=6), "settings.duration", REFUSED, "use 5 or 10"),
    Case("C5", V3, body(V3, duration="5"), "settings.duration", REFUSED, "whole number"),
    Case("C5", V3, body(V3, duration=True), "settings.duration", REFUSED, "whole number"),
    Case("C5", V3, body(V3, audio="original"), "settings.audio", REFUSED, "use native or off"),
    Case("C5", TURBO, body(TURBO, audio="native"), "settings.audio", REFUSED, "always makes sound"),
    Case("C5", V3, body(V3, aspect_ratio="1:1"), "settings.aspect_ratio", REFUSED, "ratio of its first frame"),
    Case("C5", V26, body(V26, multi_shot=False), "settings.multi_shot", REFUSED, "no setting of kling-2.6"),
    Case("C5", V3, body(V3, multi_shot="no"), "settings.multi_shot", REFUSED, "expected True or False"),
    Case("C5", V3, {**body(V3), "settings": {"multi_shot": None}}, "settings.multi_shot", REFUSED, "got None"),
    Case("C5", V3, body(V3, audio=5), "settings.audio", REFUSED, "expected text"),
    Case("C7", V26, body(V26, audio="native"), "settings.audio", REFUSED, "resolution 1080p"),
    Case("C7", f"{T2V}kling-2.6", body(f"{T2V}kling-2.6", audio="native"), "settings.audio", REFUSED, "left out"),
    Case("C8", V25, body(V25, item("last_frame"), resolution="720p"), "contents[2]", REFUSED, "resolution 1080p"),
    Case("C9", V26, BOTH, "settings.audio", WARNED, "silent"),
    Case("C10", V26, body(V26, item("voice"), resolution="1080p"), "contents[2]", REFUSED, "needs audio native"),
    Case("C10", V26, body(V26, item("voice"), audio="native"), "contents[2]", REFUSED, "resolution 1080p"),
    Case("C10", V26, THREE, "contents[4]", REFUSED, "at most 2"),
    Case("C13", OMNI_3, NATIVE, "settings.audio", REFUSED, "use off"),
    Case("C14", OMNI_3, WITH_VIDEO, "settings.multi_shot", WARNED, "become one"),
    Case("C16", OMNI_3, body(OMNI_3, item("base_video")), "settings.multi_shot", WARNED, "send false"),
    Case("C20", OMNI_3, body(OMNI_3, aspect_ratio=None), "settings.aspect_ratio", REFUSED, "is required"),
    Case("C20", OMNI_3, REFERRED, "settings.aspect_ratio", WARNED, "sources disagree"),
    Case("C21", O1, body(O1, item("base_video"), duration=5), "settings.duration", WARNED, "has no effect"),
    Case("C21", OMNI_3, body(OMNI_3, item("feature_video"), duration=11), "settings.duration", WARNED, "more than 10"),
    Case("C22", OMNI_3, body(OMNI_3, audio="original"), "settings.audio", REFUSED, "needs a video"),
    Case("C23", O1, body(O1, duration=7), "settings.duration", REFUSED, "use 5 or 10"),
]

CONTENTS = [
    Case("C6", OMNI_3, body(OMNI_3, item("last_frame")), "contents[1]", REFUSED, "needs a first_frame"),
    Case("C6", V3, body(V3, item("first_frame")), "contents[2]", REFUSED, "second first_frame"),
    Case("C11", V3, body(V3, *named("element", *"wxyz")), "contents[5]", REFUSED, "at most 3"),
    Case("C12", OMNI_3, body(OMNI_3, item("feature_video"), item("base_video")), "contents[2]", REFUSED, "exclude"),
    Case("C12", O1, body(O1, item("base_video"), item("base_video")), "contents[2]", REFUSED, "one is possible"),
    *[
        Case(
            "C15",
            OMNI_3,
            body(OMNI_3, item("base_video"), item(frame), multi_shot=False),
            "contents[2]",
            REFUSED,
            "with a base_video",
        )
        for frame in ("first_frame", "last_frame")
    ],
    Case("C15", OMNI_3, EDITED_NATIVE, "settings.audio", REFUSED, "original or off"),
    Case("C15", OMNI_3, EDITED_SHOTS, "contents[0].text", REFUSED, "several shots"),
    Case("C17", OMNI_3, body(OMNI_3, *named("refer_image", *"abcdefgh")), "contents[8]", REFUSED, "at most 7"),
    Case("C17", OMNI_3, FRAMED, "contents[5]", REFUSED, "at most 3"),
    Case("C19", OMNI_3, body(OMNI_3, item("base_video"), *IMAGES_5), "contents[6]", REFUSED, "at most 4"),
    Case("C24", O1, body(O1, *FRAMES, item("element")), "contents[3]", REFUSED, "with a last_frame"),
    Case("C24", O1, body(O1, *FRAMES, item("refer_image")), "contents[3]", REFUSED, "with a last_frame"),
    Case("C24", O1, body(O1, *FRAMES, item("feature_video")), "contents[3]", REFUSED, "with a last_frame"),
    Case("C24", O1, body(O1, item("base_video"), item("first_frame")), "contents[2]", REFUSED, "with a base_video"),
    Case("C25", O1, body(O1, *named("refer_image", *"abcdefgh")), "contents[8]", REFUSED, "at most 7"),
    Case("C25", O1, body(O1, item("base_video"), *IMAGES_5), "contents[6]", REFUSED, "at most 4"),
    Case("C26", M3, UNSAID, "settings.character_orientation", REFUSED, "is required"),
    Case("C26", M3, {**body(M3), "contents": [item("image")]}, "contents", REFUSED, "video is required"),
    Case("C26", M3, body(M3, item("image")), "contents[3]", REFUSED, "second image"),
    Case("C26", M3, body(M3, duration=5), "settings.duration", REFUSED, "follows its video"),
    Case("C26", M3, body(M3, aspect_ratio="1:1"), "settings.aspect_ratio", REFUSED, "follows its video"),
    Case("C27", M3, LOOKING, "contents[3]", REFUSED, "orientation video only"),
    Case("C27", M3, body(M3, *named("element", *"xy")), "contents[4]", REFUSED, "1 is possible"),
]

PROMPT = [
    Case("C28", V3, NAMELESS, "contents[2].id", REFUSED, "is required"),
    Case("C28", V3, body(V3, item("element", id=" ")), "contents[2].id", REFUSED, "is blank"),
    Case("C28", V3, body(V3, item("element", id=None)), "contents[2].id", REFUSED, "got None"),
    Case("C28", V3, body(V3, item("element", id="\ud800")), "contents[2].id", REFUSED, "surrogate"),
    Case("C28", V3, body(V3, *named("element", "ann", "ann")), "contents[3].id", REFUSED, "another material"),
    Case("C28", V3, body(V3, *named("element", "ann", "anna")), "contents[3].id", REFUSED, "is part of"),
    Case("C28", V3, with_prompt("@cat yawns", V3), "contents[0].text", WARNED, "names @cat"),
    Case("C28", V3, MAIL, "contents[0].text", WARNED, "inside of a word"),
    Case("C29", V26, with_prompt("x" * 2501, V26), "contents[0].text", REFUSED, "at most 2500"),
    Case("C29", V3, with_prompt("x" * 3073, V3), "contents[0].text", REFUSED, "at most 3072"),
    Case("C29", TURBO, with_prompt("x" * 2501, TURBO), "contents[0].text", WARNED, "recommended"),
    *[Case("C29", T2V_3, with_prompt(prompt), "prompt", REFUSED, words) for prompt, words in SHOT_PROMPTS],
    Case("C29", T2V_3, with_prompt("Shot 1: a cat; shot 2: a dog"), "prompt", WARNED, "is none"),
    Case("C29", T2V_3, with_prompt("shot 1, a cat", multi_shot=False), "settings.multi_shot", WARNED, "become one"),
    Case("C29", T2V_3, with_prompt(f"A film; {TWO_SHOTS}"), "prompt", WARNED, "before its first shot"),
    Case("C29", V26, with_prompt(TWO_SHOTS, V26), "contents[0].text", WARNED, "not possible with kling-2.6"),
]

OTHERS = [
    Case("C30", OMNI_3, body(OMNI_3, item("base_video", url="v.mp4")), "contents[1].url", REFUSED, "no address"),
    Case("C30", M3, body(M3, item("video", url="AAAA")), "contents[3].url", REFUSED, "no address"),
    Case(
        "C31", V3, body(V3, item("last_frame", url="data:image/png;base64,AAAA")), "contents[2].url", REFUSED, "data:"
    ),
    Case("C31", V3, body(V3, item("last_frame", url="R0lGODlhAQABAA==")), "contents[2].url", REFUSED, "GIF"),
    Case("C31", V3, body(V3, item("last_frame", url="cat.png")), "contents[2].url", REFUSED, "neither"),
    Case("C32", f"{I2V}kling-9", body(V3), "path", WARNED, "no model 'kling-9'"),
    Case("C32", f"{I2V}kling-v3", body(V3), "path", REFUSED, "it is kling-3.0"),
    Case("C32", f"{I2V}Kling-3.0-Turbo", body(V3), "path", REFUSED, "written kling-3.0-turbo"),
    Case("C32", f"{I2V}kling-3.0-omni", body(V3), "path", REFUSED, "a model of /omni-video"),
    Case("C32", f"{I2V}kling-4.0", body(V3), "path", WARNED, "partners"),
    Case("C32", "/solutions/goods", {}, "path", WARNED, "nothing is known"),
    *[
        Case("C32", path, body(V3), "path", REFUSED, "expected a path: /omni-video/<model>")
        for path in ("", "x", "//files.example/a", "/a//b", "/a?b=1", "/a#b", "/a/../b", "/a\n", "/a/", "/%2e%2e/a")
    ],
    Case("C32", "https://api.example/image-to-video/kling-3.0", body(V3), "path", REFUSED, "no host"),
    Case("C32", f"{I2V}kling-3.0/../../tasks", body(V3), "path", REFUSED, "no '..'"),
    Case("C32", f"{I2V}kling-3.0?x", body(V3), "path", REFUSED, "no query"),
    Case("C32", f"{I2V}kling-3.0\n", body(V3), "path", REFUSED, "expected a path"),
    Case("C32", "/v1/videos/image2video", body(V3), "path", REFUSED, "a legacy path"),
    Case("C32", "/V1", body(V3), "path", REFUSED, "a legacy path"),
    Case("C32", "/tasks", body(V3), "path", REFUSED, "makes no task"),
    Case("C32", "/account/costs", body(V3), "path", REFUSED, "makes no task"),
    Case("C32", "/image-to-video/", body(V3), "path", REFUSED, "expected a path"),
    Case("C32", f"{I2V}kling-9", {"contents": []}, "contents", REFUSED, "is empty"),
    Case("C32", f"{T2V}kling-9", {}, "prompt", REFUSED, "is required"),
    Case("C32", f"{OMNI}kling-9", body(OMNI_3, item("base_video", url="x")), "contents[1].url", REFUSED, "no address"),
    Case("C32", f"{I2V}kling-9", {**body(V3), "mode": "pro"}, "mode", WARNED, "resolution"),
    Case("C32", f"{I2V}kling-9", body(V3, item("end_frame")), "contents[2].type", WARNED, "last_frame"),
    Case("options", V3, {**body(V3), **IDS}, "options.external_task_id", REFUSED, "comma"),
    Case("options", V3, {**body(V3), "options": {"callback_url": "x"}}, "options.callback_url", REFUSED, "address"),
    Case("options", V3, {**body(V3), **MARK}, "options.watermark_info.enabled", REFUSED, "True or False"),
    Case("options", V3, "x", "body", REFUSED, "expected a dict"),
]

CASES: list[Case] = [*SHAPE, *SETTINGS, *CONTENTS, *PROMPT, *OTHERS]
