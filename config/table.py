"""What all tables of the file have in common."""

from typing import Annotated, Any, TypeVar

from pydantic import AfterValidator, BaseModel, ConfigDict, Strict, field_validator

from config.strings import without_control_characters

Item = TypeVar("Item")
Array = Annotated[tuple[Item, ...], Strict(False)]
"""An array of the file, which arrives as a list."""


def _with_entries(value: tuple[Item, ...]) -> tuple[Item, ...]:
    if not value:  # pydantic's min_length would also be unhappy whenever no entry is valid
        raise ValueError("expected at least one entry")
    return value


NonEmptyArray = Annotated[tuple[Item, ...], Strict(False), AfterValidator(_with_entries)]


class Table(BaseModel):
    """A table of the file: unknown keys are errors, nothing is converted, values do not change after loading."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, hide_input_in_errors=True)

    @field_validator("*")
    @classmethod
    def _is_plain(cls, value: Any) -> Any:
        return without_control_characters(value)
