"""Where the data folders are: beside the packages in a checkout, under `station/_data` in a wheel."""

from pathlib import Path

_PACKAGED = Path(__file__).parent / "_data"
_CHECKOUT = Path(__file__).parent.parent


def data_dir(name: str) -> Path:
    """The folder `config`, `mibs` or another data folder by its path from the root of the tree."""
    packaged = _PACKAGED / name
    return packaged if packaged.exists() else _CHECKOUT / name
