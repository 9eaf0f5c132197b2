"""Typed records: what one step of the laboratory leaves on disk for the next."""

from __future__ import annotations

from pathlib import Path
from typing import Self

import yaml
from pydantic import BaseModel, ConfigDict, ValidationError

from chromalab.core.errors import ConfigError, suggestion
from chromalab.core.files import write_text

PRESET_FILES = Path(__file__).resolve().parents[1] / "presets"
"""Studies, training recipes and surveys that ship with the package, a folder of YAML files for each."""


class Record(BaseModel):
    """A frozen record with checked types that knows how to be a JSON file.

    Unknown keys are refused with the closest known key, so that a misspelled setting never passes in silence.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, ser_json_inf_nan="strings")

    def save(self, path: Path) -> None:
        """Write the record to `path` as JSON, atomically."""
        write_text(path, self.model_dump_json(indent=2) + "\n")

    @classmethod
    def load(cls, path: Path) -> Self:
        """Read a record that `save` wrote.

        Raises:
            ConfigError: the file is missing, is not JSON, or does not fit this record.
        """
        return cls.parse(read_yaml(path), origin=str(path))

    @classmethod
    def parse(cls, data: object, *, origin: str) -> Self:
        """Check `data` (as YAML or JSON gives it) and return the record.

        Raises:
            ConfigError: it does not fit; the message names the key, and `origin` as where it came from.
        """
        try:
            return cls.model_validate(data)
        except ValidationError as error:
            raise ConfigError(f"{origin}: {_explain(cls, error)}") from error


def read_yaml(path: Path) -> object:
    """Return what a YAML or JSON file holds.

    Raises:
        ConfigError: the file is missing, can't be read, or is not YAML.
    """
    try:
        return yaml.safe_load(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ConfigError(f"{path}: there is no such file") from None
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: it can't be read: {error}") from error
    except yaml.YAMLError as error:
        raise ConfigError(f"{path}: it is not valid YAML: {' '.join(str(error).split())}") from error


def read_preset(kind: str, path: Path) -> tuple[object, Path]:
    """Read a YAML file, or the shipped preset that its name means: `quick` is `presets/studies/quick.yaml`.

    Args:
        kind: folder of the presets: `studies`, `training` or `surveys`.
        path: a file, or the bare name of a preset. A file of that name comes first.

    Returns:
        What the file holds, and its path.

    Raises:
        ConfigError: there is neither such a file nor such a preset, or it is not YAML.
    """
    if path.exists() or path != Path(path.name) or path.suffix:
        return read_yaml(path), path
    known = {preset.stem: preset for preset in preset_paths(kind)}
    if path.name not in known:
        hint = suggestion(path.name, known) or f"; presets: {', '.join(known)}"
        raise ConfigError(f"'{path.name}' is neither a file nor a preset{hint}")
    return read_yaml(known[path.name]), known[path.name]


def preset_paths(kind: str) -> list[Path]:
    """Return the shipped YAML files of a kind, in order of their names."""
    return sorted((PRESET_FILES / kind).glob("*.yaml"))


def _explain(model: type[BaseModel], error: ValidationError) -> str:
    """Say the first fault in one line; later ones are often its consequences.

    Where a value may be a text or a record, a record's own faults are meant: that it is no text is seen.
    """
    faults = error.errors(include_url=False)
    fault = next((each for each in faults if each["type"] != "string_type"), faults[0])
    place = ".".join(str(part) for part in fault["loc"] if str(part) not in _records())
    if fault["type"] == "extra_forbidden":
        known = _fields_at(model, fault["loc"][:-1])
        return f"unknown key '{place}'{suggestion(str(fault['loc'][-1]), known)}"
    message = fault["msg"].removeprefix("Value error, ")
    return f"{place}: {message}" if place else message


def _records() -> dict[str, type[BaseModel]]:
    """Return all records by their class's name, by which Pydantic tells which member of a union it means."""
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
