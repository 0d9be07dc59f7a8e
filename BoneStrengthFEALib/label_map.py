"""A label map with the names its values stand for."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from BoneStrengthFEALib.errors import InputError
from BoneStrengthFEALib.volume import Quantity, Volume


@dataclass(frozen=True, eq=False)
class LabelMap:
    """Labels of one scan.

    Parameters
    ----------
    volume
        (K, J, I) integer label volume; 0 is background.
    names
        Label value to name as its source gives it, for example ``{31: "vertebrae_L1"}``; may be empty.
    """

    volume: Volume
    names: Mapping[int, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Check that the volume is a label map."""
        if self.volume.quantity is not Quantity.LABEL:
            raise InputError(f"a label map holds labels, this volume holds {self.volume.quantity.value}")

    def values(self) -> tuple[int, ...]:
        """Label values present, without background.

        Returns
        -------
        Sorted values.
        """
        # slice by slice: sorting a large scan at once takes its memory again
        found = {int(v) for layer in self.volume.array for v in np.unique(layer)}
        return tuple(sorted(found - {0}))

    def mask(self, label: int | str) -> Volume:
        """Voxels of one label.

        Parameters
        ----------
        label
            Value or name.

        Returns
        -------
        (K, J, I) uint8 label volume of 0 and 1.

        Raises
        ------
        InputError
            When no voxel has it; the text lists what is there.
        """
        value = self.value_of(label)
        found = self.volume.array == value
        if not found.any():
            raise InputError(f"label {label} is not among the labels, which hold {self._present()}; choose one")
        return self.volume.with_array(found.astype(np.uint8))

    def _present(self) -> str:
        return ", ".join(f"{v} {self.names.get(v, '')}".strip() for v in self.values()) or "nothing"

    def only_label(self) -> str:
        """Name, or value, of the one label of the map.

        Returns
        -------
        What `value_of` takes.

        Raises
        ------
        InputError
            When there are several or none; the text lists them.
        """
        values = self.values()
        if len(values) != 1:
            raise InputError(f"say which bones: --label NAME (repeat for several); the labels hold {self._present()}")
        return self.names.get(values[0], str(values[0]))

    def value_of(self, label: int | str) -> int:
        """Value of a label given by value or name.

        Parameters
        ----------
        label
            Value, its decimal digits, or name.

        Returns
        -------
        The value.

        Raises
        ------
        InputError
            When the name is unknown.
        """
        if isinstance(label, int):
            return label
        by_name = {name: value for value, name in self.names.items()}
        if label in by_name:
            return by_name[label]
        if label.strip().isdecimal():
            return int(label)
        here = set(np.unique(self.volume.array).tolist())
        known = ", ".join(sorted(name for name, value in by_name.items() if value in here)) or "no names"
        raise InputError(f"label {label!r} is not a number and not a name of a label in the map, which holds {known}")

    def joined(self, text: str) -> tuple[LabelMap, str]:
        """Join the parts of one bone, as maps of cortex, core and processes have them.

        Parameters
        ----------
        text
            One label, or several with "+" between them: "1+2+3+4".

        Returns
        -------
        Map in which all of them are the first one, and the first one.

        Raises
        ------
        InputError
            When a label is not in the map.
        """
        if "+" not in text or text in self.names.values():
            return self, text
        values = [self.value_of(part.strip()) for part in text.split("+")]
        whole = np.any([self.mask(value).array > 0 for value in values], axis=0)
        array = np.array(self.volume.array)
        array[whole] = values[0]
        return LabelMap(self.volume.with_array(array), self.names), str(values[0])
