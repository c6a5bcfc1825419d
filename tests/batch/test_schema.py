"""The JSON schema of a row."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kling_async import InvalidRequest, current
from kling_async.batch import endpoints, schema
from kling_async.batch.jobs import read_jobs, rows_of
from kling_async.batch.schema import row_schema
from kling_async.protocol.catalog import all_endpoints
from kling_async.protocol.converters import Malformed
from kling_async.protocol.record_fields import fields_of
from kling_async.protocol.rules.nested import values_in
from tests.batch.writing import problem_texts, read

NAMES = endpoints.names()
EXAMPLES = Path(__file__).parent.parent.parent / "examples" / "batch"


def nodes(schema: Any) -> Iterator[dict[str, Any]]:
    """Yields a schema and all nested ones."""
    if isinstance(schema, dict):
        yield schema
        for name, value in schema.items():
            inner = value.values() if name == "properties" else value if isinstance(value, list) else [value]
            for each in inner:
                yield from nodes(each)


def test_each_endpoint_with_tasks_has_a_schema() -> None:
    """Each endpoint with tasks has a schema, and a new one needs no code for it."""
    assert {endpoints.record(name) for name in NAMES} == {each.record for each in all_endpoints()}
    assert all(json.loads(json.dumps(row_schema(name))) == row_schema(name) for name in NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_schemas_use_known_keywords(name: str) -> None:
    """A schema uses only keywords that the reader checks, except for limits and annotations."""
    checked = {"type", "enum", "const", "pattern", "anyOf", "properties", "required", "additionalProperties", "items"}
    limits = {"minLength", "maxLength", "minimum", "maximum", "minProperties", "maxProperties"}
    found = {word for node in nodes(row_schema(name)) for word in node}
    assert found <= checked | limits | {"$schema", "title", "description", "examples"}
    objects = [node for node in nodes(row_schema(name)) if node.get("type") == "object"]
    by_name = [node for node in objects if "properties" not in node]
    assert {node["additionalProperties"] for node in objects if node not in by_name} == {False}
    assert all({*node.get("required", [])} <= {*node.get("properties", [])} for node in objects)


def test_a_schema_contains_the_documentation() -> None:
    """Kinds, words, limits and descriptions come from the record; rules on files or models are left to the checks."""
    schema = row_schema("image-to-video")
    assert schema["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    assert (schema["type"], schema["additionalProperties"], schema["required"]) == ("object", False, [])
    found = schema["properties"]
    assert found["endpoint"]["const"] == "image_to_video"
    assert found["id"]["anyOf"] == [{"type": "string", "minLength": 1, "maxLength": 200}, {"type": "integer"}]
    null = {"type": "null"}
    assert found["cfg_scale"]["anyOf"] == [{"type": "number", "minimum": 0, "maximum": 1}, null]
    assert found["prompt"] == {
        "description": "what happens, at most 2500 characters",
        "anyOf": [{"type": "string", "maxLength": 2500}, null],
    }
    assert found["mode"]["anyOf"] == [{"enum": ["std", "pro", "4k"]}, null]
    assert found["sound"]["anyOf"] == [{"type": "boolean"}, {"enum": ["on", "off"]}, null]
    assert found["image"]["description"].startswith(
        "first frame: a path or an http(s):// address; JPEG or PNG, at most"
    )
    assert "kling-v3" in found["model_name"]["examples"]
    assert "external_task_id" not in found
    axis = found["camera_control"]["anyOf"][0]["properties"]["config"]["anyOf"][0]["properties"]["zoom"]
    assert (axis["minimum"], axis["maximum"]) == (-10, 10)
    videos = row_schema("create_element")["properties"]["element_video_list"]["anyOf"][0]["properties"]["refer_videos"]
    address = {"type": "string"}
    documented = {"properties": {"video_url": address}, "required": ["video_url"], "additionalProperties": False}
    assert videos["anyOf"][0]["items"]["anyOf"] == [address, {"type": "object", **documented}]
    assert row_schema("text_to_audio")["required"] == ["endpoint", "prompt", "duration"]
    assert "video" not in row_schema("video_to_audio")["properties"]
    texts = [node["description"] for name in NAMES for node in nodes(row_schema(name)) if "description" in node]
    of_python = ("bytes;", "or bytes", "`", "repr", "True", "earlier task", "audio is required", "face is required")
    assert [text for text in texts for word in of_python if word in text] == []


def test_no_schema_without_rows() -> None:
    """An unknown name, and an endpoint without tasks, are refused as in a row."""
    with pytest.raises(InvalidRequest, match=r"did you mean avatar\?"):
        row_schema("avatr")
    with pytest.raises(InvalidRequest, match="answers at once"):
        row_schema("text_to_speech")


# ------------------------------------------------------------------------------ an independent reading of the schema


def fits(value: Any, schema: dict[str, Any]) -> bool:
    """Whether a value matches a schema, implemented independently: names and kinds, without limits."""
    if "anyOf" in schema:
        return any(fits(value, each) for each in schema["anyOf"])
    if "const" in schema:
        return bool(value == schema["const"])
    if "enum" in schema:
        return type(value) is str and value in schema["enum"]
    if schema["type"] == "object" and "properties" not in schema:
        values = [*value.values()] if isinstance(value, dict) else [schema]
        named = all(fits(each, schema["additionalProperties"]) for each in values)
        return named and ("maxProperties" not in schema or len(values) == 1)
    if schema["type"] == "object":
        return (
            isinstance(value, dict)
            and value.keys() <= schema["properties"].keys()
            and value.keys() >= {*schema.get("required", [])}
            and all(fits(each, schema["properties"][name]) for name, each in value.items())
        )
    if schema["type"] == "array":
        return isinstance(value, list) and all(fits(each, schema["items"]) for each in value)
    if schema["type"] == "integer":
        return type(value) is int or (type(value) is float and value.is_integer())
    kinds = {"string": (str,), "number": (int, float), "boolean": (bool,), "null": (type(None),)}
    digits = "pattern" not in schema or (type(value) is str and value.isascii() and value.isdigit() and len(value) < 20)
    return type(value) in kinds[schema["type"]] and digits


plain = (
    st.none()
    | st.booleans()
    | st.integers(-3, 20)
    | st.floats(-1, 20, allow_nan=False)
    | st.sampled_from(["", "a.png", "on", "yes", "std", "5", "5x", "image_refer", "first_frame", "auto"])
)


def near(schema: dict[str, Any]) -> st.SearchStrategy[Any]:
    """Values that match a schema, or nearly."""
    if "anyOf" in schema:
        return st.one_of([near(each) for each in schema["anyOf"]])
    if "const" in schema or "enum" in schema:
        return st.sampled_from(schema.get("enum") or [schema["const"]]) | plain
    if schema["type"] == "array":
        return st.lists(near(schema["items"]), max_size=2) | plain
    if schema["type"] != "object":
        return plain
    if "properties" not in schema:
        return st.dictionaries(st.sampled_from(["cat", "url", "id"]), near(schema["additionalProperties"]), max_size=2)
    found = {name: near(each) for name, each in schema["properties"].items()}
    needed = {name: found[name] for name in schema.get("required", [])}
    rest = {name: each for name, each in found.items() if name not in needed}
    whole = st.fixed_dictionaries(needed, optional=rest)
    return whole | st.fixed_dictionaries({}, optional={**found, "other": plain})


@pytest.mark.parametrize("name", NAMES)
@settings(max_examples=25)
@given(st.data())
def test_reader_and_schema_agree(name: str, data: st.DataObject) -> None:
    """Schema and reader agree on names and kinds; and the record accepts every value that is read."""
    schema = row_schema(name)
    parameters = {each: inner for each, inner in schema["properties"].items() if each not in {"id", "endpoint"}}
    drawn = data.draw(near({"type": "object", "properties": parameters, "required": schema["required"][1:]}))
    row = {**(drawn if isinstance(drawn, dict) else {}), "endpoint": name}
    jobs = rows_of([row])
    assert fits(row, schema) == (not jobs.problems)
    assert bool(jobs.rows) != bool(jobs.problems)
    for each in jobs.rows:
        assert not [path for path, _, value in values_in(each.request) if isinstance(value, Malformed)]


@pytest.mark.parametrize("line", (EXAMPLES / "jobs.jsonl").read_text().splitlines())
def test_the_examples_match_the_schema(line: str) -> None:
    """Each row of the example matches the schema of its endpoint."""
    row = json.loads(line)
    assert fits(row, row_schema(row.get("endpoint", "image_to_video")))


def test_examples_of_all_kinds_ship() -> None:
    """Several endpoints in JSONL, a table, and the folder of their pictures."""
    assert len({row.endpoint for row in read_jobs(EXAMPLES / "jobs.jsonl").rows}) >= 4
    assert read_jobs(EXAMPLES / "jobs.csv").rows
    assert read_jobs(EXAMPLES.parent / "images").rows


def test_null_of_a_parameter_that_is_needed_is_a_problem(tmp_path: Path) -> None:
    """A null of a required parameter is omitted, and then reported as missing."""
    assert problem_texts(read(tmp_path, {"endpoint": "text_to_audio", "prompt": None, "duration": 5})) == [
        "line 1: prompt: is required"
    ]


def test_the_current_generation_can_be_described() -> None:
    """Parameters that are records have schemas, too: a named one is an object, otherwise it is text."""
    made = {
        record.__name__: {field.name: schema._parameter(field) for field in fields_of(record)}
        for record in (current.TextToVideo, current.ImageToVideo, current.OmniVideo, current.MotionControl)
    }
    assert json.loads(json.dumps(made)) == made
    for found in (made["MotionControl"]["video"], made["OmniVideo"]["first_frame"], made["OmniVideo"]["feature_video"]):
        objects = [choice for choice in found["anyOf"] if choice.get("type") == "object"]
        assert {"type": "string"} in found["anyOf"]
        assert [{*each["properties"]} for each in objects if "properties" in each] == [{"url", "id"}]
        assert [each["maxProperties"] for each in objects if "properties" not in each] == [1]
    assert {"type": "object", "additionalProperties": {"type": "string"}} in made["OmniVideo"]["refer_images"]["anyOf"]
    assert made["MotionControl"]["character_orientation"]["enum"] == ["image", "video"]
