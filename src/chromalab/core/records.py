"""Typed records in JSON and YAML files, which are the interface between the steps of the laboratory."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Self

import yaml
from pydantic import BaseModel, ConfigDict, ValidationError

from chromalab.core.errors import ConfigError, suggestion
from chromalab.core.files import path_exists, write_text

PRESET_FILES = Path(__file__).resolve().parents[1] / "presets"
"""Folder of the YAML files that ship with the package: studies, training recipes and surveys."""


class Record(BaseModel):
    """A frozen, validated record that can be saved as a JSON file.

    An unknown key raises an error that suggests the closest known key, so a misspelled setting never goes unnoticed.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, ser_json_inf_nan="strings")

    def save(self, path: Path) -> None:
        """Write the record to `path` as JSON, atomically."""
        write_text(path, self.model_dump_json(indent=2) + "\n")

    @classmethod
    def load(cls, path: Path) -> Self:
        """Read a record that `save` wrote.

        Raises:
            ConfigError: the file is missing, is not JSON, or does not match this record.
        """
        return cls.parse(read_yaml(path), origin=str(path))

    @classmethod
    def parse(cls, data: object, *, origin: str) -> Self:
        """Validate `data`, as loaded from YAML or JSON, and return the record.

        Raises:
            ConfigError: the data does not match this record; the message names `origin` and the key.
        """
        try:
            return cls.model_validate(data)
        except ValidationError as error:
            raise ConfigError(f"{origin}: {_explain(cls, error)}") from error


def read_yaml(path: Path) -> object:
    """Return the content of a YAML file, or of a JSON file, if its name ends in `.json`.

    Raises:
        ConfigError: the file is missing, unreadable or not valid.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
        # JSON is nearly YAML, but PyYAML refuses tabs, takes 1e5 for text, and needs a hundred times as long.
        return json.loads(text) if path.suffix.lower() == ".json" else yaml.safe_load(text)
    except FileNotFoundError:
        raise ConfigError(f"{path}: there is no such file") from None
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: it can't be read: {error}") from error
    except json.JSONDecodeError as error:
        raise ConfigError(f"{path}: it is not valid JSON: {error}") from error
    except yaml.YAMLError as error:
        raise ConfigError(f"{path}: it is not valid YAML: {' '.join(str(error).split())}") from error


def read_preset(kind: str, path: Path) -> tuple[object, Path]:
    """Read a YAML file, or a shipped preset by its name: `quick` is `presets/studies/quick.yaml`.

    Args:
        kind: folder of the presets: `studies`, `training`, `surveys` or `questions`.
        path: a file, or the bare name of a preset. A file of that name takes precedence.

    Returns:
        The content of the file, and its path.

    Raises:
        ConfigError: neither a file nor a preset of that name exists, or it is not valid YAML.
    """
    found = preset_path(kind, path.name, or_file=True) if names_preset(path) else path
    return read_yaml(found), found


def names_preset(path: Path) -> bool:
    """Return whether `path` is the bare name of a preset and not a file."""
    # Path.exists raises an error in a closed folder.
    return not path_exists(path) and path == Path(path.name) and not path.suffix


def preset_path(kind: str, name: str, *, or_file: bool = False) -> Path:
    """Return the YAML file of a shipped preset.

    Args:
        kind: folder of the presets, as in `read_preset`.
        name: its name.
        or_file: whether the caller took files, too, which an error then says.

    Raises:
        ConfigError: there is no preset of that name.
    """
    known = {preset.stem: preset for preset in preset_paths(kind)}
    if name not in known:
        hint = suggestion(name, known) or f"; presets: {', '.join(known)}"
        raise ConfigError(f"'{name}' is {'neither a file nor' if or_file else 'not'} a preset{hint}")
    return known[name]


def preset_paths(kind: str) -> list[Path]:
    """Return the shipped YAML files of a kind, sorted by name."""
    return sorted((PRESET_FILES / kind).glob("*.yaml"))


def _explain(model: type[BaseModel], error: ValidationError) -> str:
    """Return the first validation error in one line; later ones are often its consequences.

    Where a value may be a string or a record, errors inside the record are more useful than "not a string".
    """
    faults = error.errors(include_url=False)
    fault = next((each for each in faults if each["type"] != "string_type"), faults[0])
    place = ".".join(str(part) for part in fault["loc"] if str(part) not in _records())
    if fault["type"] == "extra_forbidden":
        known = _fields_at(model, fault["loc"][:-1])
        return f"unknown key '{place}'{suggestion(str(fault['loc'][-1]), known)}"
    message = fault["msg"].removeprefix("Value error, ")
    if fault["type"] == "model_type":
        message = "it does not hold keys with values"
    return f"{place}: {message}" if place else message


def _records() -> dict[str, type[BaseModel]]:
    """Return all record classes by name, which is how Pydantic identifies the members of a union in error locations."""
    return {record.__name__: record for record in Record.__subclasses__()}


def _fields_at(model: type[BaseModel], location: tuple[int | str, ...]) -> list[str]:
    """Return the field names of the nested model at `location`."""
    current = model
    for part in location:
        if str(part) in _records():
            current = _records()[str(part)]
            continue
        field = current.model_fields.get(str(part))
        nested = field.annotation if field is not None else None
        if not (isinstance(nested, type) and issubclass(nested, BaseModel)):
            break
        current = nested
    return list(current.model_fields)
