from typing import Any

import pytest

from .capability_table import lines
from .requests_made import BRUSH, SOUND, URL, V3, WAY, camera, problems_of


@pytest.mark.parametrize(
    "parameters",
    [
        {"image_tail": URL},
        {"image_tail": URL, "sound": True},
        {"mode": "ultra", "duration": 60},
        {"duration": 1},
        {"duration": 3600},
        {"cfg_scale": 0.5},
        {"sound": True, "voice_list": ["a"]},
        {"element_list": [1], "multi_shot": True, "shot_type": "intelligence"},
        {"static_mask": URL},
        {"image": None, "image_tail": URL},
        {"camera_control": {"type": "down_back"}},
    ],
    ids=str,
)
def test_unknown_models_pass(parameters: dict[str, Any]) -> None:
    """Of a model that is not in the map nothing is known, so nothing that depends on the model is refused."""
    assert problems_of(model_name="kling-v9", **parameters) == []


REFUSED_BY_MAP: list[tuple[dict[str, Any], str, str]] = [
    ({"image_tail": URL}, "image_tail", "kling-v2-6 with image_tail needs mode pro"),
    ({"image_tail": URL, **SOUND}, "image_tail", "kling-v2-6 with image_tail needs sound off"),
    (
        {"image_tail": URL, "sound": True, "mode": "std"},
        "image_tail",
        "kling-v2-6 with image_tail needs mode pro and sound off",
    ),
    (
        {"image_tail": URL, **SOUND, "voice_list": ["a"]},
        "image_tail",
        "kling-v2-6 with image_tail needs sound off and no voice_list",
    ),
    (
        {"image_tail": URL, "model_name": "kling-v1", "mode": "pro", "duration": 10},
        "image_tail",
        "kling-v1 with image_tail needs mode std and duration 5",
    ),
    (
        {"image": None, "image_tail": URL, "mode": "pro"},
        "image_tail",
        "kling-v2-6 cannot do image_tail alone: this needs model_name kling-v1-6",
    ),
    ({"static_mask": URL, "model_name": "kling-v1", "duration": 10}, "static_mask", "needs duration 5"),
    ({**BRUSH, "model_name": "kling-v1-5"}, "dynamic_masks", "needs mode pro"),
    (
        {**camera(zoom=1), "model_name": "kling-v2-6", "duration": 10},
        "camera_control",
        "kling-v2-6 cannot do camera_control: this needs model_name kling-v1-5 and duration 5",
    ),
    (
        camera("down_back"),
        "camera_control",
        "of another type than 'simple': this needs model_name kling-v3 (where it is not certain either)",
    ),
    ({"camera_control": 5}, "camera_control", "needs model_name kling-v1-5 and mode pro"),
    ({"voice_list": ["a"], "sound": True, **V3}, "voice_list", "needs model_name kling-v2-6 and mode pro"),
    ({"element_list": [1]}, "element_list", "kling-v2-6 cannot do element_list: this needs model_name kling-v3"),
    (
        {"multi_shot": True, "shot_type": "intelligence"},
        "multi_shot",
        "kling-v2-6 cannot do multi_shot: this needs model_name kling-v3",
    ),
    ({"mode": "pro", "model_name": "kling-v2-master"}, "mode", "it has no modes: leave it out"),
    (
        {"mode": "std", "model_name": "kling-v2-1-master"},
        "mode",
        "std is not possible with kling-v2-1-master; use pro",
    ),
    ({"image_tail": URL, "mode": "4k", "model_name": "kling-v2-master"}, "image_tail", "model_name kling-v3"),
    ({"image_tail": URL, "mode": 5, "duration": "x", "model_name": "kling-v2-master"}, "image_tail", "cannot do"),
]


@pytest.mark.parametrize(
    ("parameters", "field", "says"), REFUSED_BY_MAP, ids=[f"{row[1]}-{row[2][:40]}" for row in REFUSED_BY_MAP]
)
def test_refused_by_the_map_alone(parameters: dict[str, Any], field: str, says: str) -> None:
    """What only the map refuses is marked, so that strict=False can warn, and names the nearest that works."""
    found = [problem for problem in problems_of(**parameters) if problem.field == field and says in problem.message]
    assert [problem.by_map for problem in found] == [True]


@pytest.mark.parametrize("mode", ["std", "pro"])
def test_4k_is_for_kling_v3(mode: str) -> None:
    """4k is refused for every other known model; the other modes are not."""
    for model in {line[0] for line in lines()} - {"kling-v3"}:
        assert "mode" in {problem.field for problem in problems_of(model_name=model, mode="4k")}
        if "master" not in model:
            assert problems_of(model_name=model, mode=mode) == []


@pytest.mark.parametrize(
    ("parameters", "fields"),
    [
        ({"sound": True, "image_tail": URL, "model_name": "kling-v2-5-turbo"}, ["image_tail", "sound"]),
        ({**SOUND, "image": None, "image_tail": URL}, ["image_tail"]),
        ({"camera_control": {"type": "down_back"}}, ["camera_control"]),
    ],
    ids=str,
)
def test_one_cause_is_reported_once(parameters: dict[str, Any], fields: list[str]) -> None:
    """A feature that does not work is reported once, not again for each combination with it."""
    assert sorted(problem.field for problem in problems_of(**parameters)) == fields


# ------------------------------------------------------------------------------------------- every sure cell

USES: list[tuple[str, str, bool, dict[str, Any]]] = [
    ("image_only", "image", True, {}),
    ("tail", "image_tail", True, {"image_tail": URL}),
    ("tail_only", "image_tail", True, {"image": None, "image_tail": URL}),
    ("brush", "static_mask", True, {"static_mask": URL}),
    ("brush", "dynamic_masks", True, {"dynamic_masks": [{"mask": URL, "trajectories": WAY}]}),
    ("camera", "camera_control", True, {"camera_control": {"type": "simple", "config": {"zoom": 5}}}),
    ("sound", "sound", False, {"sound": True}),
    ("voice_list", "voice_list", True, {"sound": True, "voice_list": ["a"]}),
    ("elements", "element_list", True, {"element_list": [7]}),
    ("elements", "multi_shot", True, {"multi_shot": True, "shot_type": "intelligence"}),
]


@pytest.mark.parametrize(("column", "field", "by_map", "parameters"), USES)
def test_every_cell(column: str, field: str, *, by_map: bool, parameters: dict[str, Any]) -> None:
    """In every row, `-` is refused with the combination that works, and `y` and `?` have no problems at all."""
    for model, mode, seconds, cells, _, _ in lines():
        where = {"model_name": model, "mode": mode, "duration": seconds}
        found = problems_of(**where, **parameters)
        if cells[column] == "-":
            own = [problem for problem in found if problem.field == field]
            assert [by_map] == [problem.by_map for problem in own], where
            assert " needs " in own[0].message
        else:
            assert found == [], where


def test_cfg_scale_only_warns() -> None:
    """In every row: the service checks only its range, so the documentation's statement about v2.x refuses nothing."""
    for model, mode, seconds, cells, _, _ in lines():
        where = {"model_name": model, "mode": mode, "duration": seconds}
        found = problems_of(**where, cfg_scale=0.7)
        assert [problem.only_warns for problem in found] == [True] * (cells["cfg_scale"] == "-"), where
        beyond = problems_of(**where, cfg_scale=1.1)
        assert [problem for problem in beyond if not problem.only_warns], where


def test_cfg_scale_is_not_to_be_left_out() -> None:
    """It does not make another combination one that needs more changes."""
    found = [str(problem) for problem in problems_of(cfg_scale=0.5, image_tail=URL) if not problem.only_warns]
    assert found == ["image_tail: kling-v2-6 with image_tail needs mode pro"]


def test_durations_of_every_model() -> None:
    """Each model takes its own durations and no others, in every mode."""
    possible = {(model, mode, seconds) for model, mode, seconds, *_ in lines()}
    for model, mode in {key[:2] for key in possible}:
        for seconds in range(18):
            found = problems_of(model_name=model, mode=mode, duration=seconds)
            assert [("duration", False)] * ((model, mode, seconds) not in possible) == [
                (problem.field, problem.by_map) for problem in found
            ]
