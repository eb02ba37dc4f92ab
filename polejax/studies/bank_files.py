"""Files of banks: any file that a user names is read as a bank, or told in one line why it is none."""

import os
from collections.abc import Mapping
from typing import Any

from polejax._core import netcdf, paths
from polejax._core.folder import StudyError
from polejax._core.paths import reason
from polejax._core.seal import Damaged
from polejax._core.types import Array
from polejax.mechanisms import bank
from polejax.mechanisms.bank import Bank

_SIGNATURE = b"\x89HDF\r\n\x1a\n"  # of HDF5, and so of netCDF 4 (HDF5 file format specification, II.A)


def read_file(path: str) -> Bank:
    """The bank that `Bank.save` wrote to a file that may be read (`check_readable`).

    Raises:
      StudyError: it is another file, or damaged.
    """
    with paths.open_regular(path) as file:
        if file.read(len(_SIGNATURE)) != _SIGNATURE:
            raise StudyError(f"{path} is no bank (not a netCDF 4 file): check the path")
    try:
        variables, attributes = netcdf.read(path)
    except Damaged as error:
        raise StudyError(f"{path} is damaged ({error}): take a copy, or save the bank again") from None
    except OSError as error:
        raise StudyError(f"{path} cannot be read ({reason(error)}): check the path") from None
    return as_bank(path, variables, attributes)


def as_bank(path: str, variables: Mapping[str, Array], attributes: Mapping[str, Any]) -> Bank:
    """The bank that a file holds; raises StudyError where it holds none."""
    try:
        return bank.read(variables, attributes)
    except KeyError as error:
        raise StudyError(f"{path} is no bank (no {error}): check the path, and the version that wrote it") from None
    except ValueError as error:
        raise StudyError(f"{path} is no bank: {error}") from None


def check_readable(path: str) -> None:
    """Raise a StudyError unless a file or folder is there and this process may read it."""
    try:
        if os.path.isdir(path):
            os.listdir(path)
        else:
            paths.open_regular(path).close()
    except FileNotFoundError:
        raise StudyError(
            f"{path} does not exist: check the path, or train a bank with polejax.learning_curves"
        ) from None
    except PermissionError:
        raise StudyError(f"{path} may not be read by this user: give access") from None
    except OSError as error:
        raise StudyError(f"{path} cannot be read ({reason(error)}): check the path") from None
