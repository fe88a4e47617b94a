"""SOP classes to propose for a C-GET where the archive does not tell those of a study: by its series' modalities.

Few at a time: an association has room for 128 presentation contexts (PS3.8 9.3.2.2), several for each class.
Source: DICOM PS3.4 Table B.5-1; PS3.3 C.7.3.1.1.1 (Modality).
"""

from __future__ import annotations

from collections.abc import Iterable

_STORAGE = "1.2.840.10008.5.1.4.1.1."
_BY_MODALITY = {
    "CR": ("1",),
    "DX": ("1.1", "1.1.1"),
    "MG": ("1.2", "1.2.1", "13.1.3"),
    "IO": ("1.3", "1.3.1"),
    "CT": ("2", "2.1", "2.2"),
    "MR": ("4", "4.1", "4.2", "4.3"),
    "US": ("3.1", "6.1", "6.2"),
    "NM": ("20",),
    "PT": ("128", "128.1", "130"),
    "XA": ("12.1", "12.1.1", "13.1.1"),
    "RF": ("12.2", "12.2.1"),
    "ECG": ("9.1.1", "9.1.2", "9.1.3"),
    "PR": ("11.1", "11.2", "11.3"),
    "SR": ("88.11", "88.22", "88.33", "88.67"),
    "KO": ("88.59",),
    "REG": ("66.1", "66.3"),
    "SEG": ("66.4", "66.5"),
    "DOC": ("104.1", "104.2"),
    "XC": ("77.1.4", "77.1.4.1"),
    "ES": ("77.1.1", "77.1.1.1"),
    "OP": ("77.1.5.1", "77.1.5.2"),
    "OPT": ("77.1.5.4",),
    "RTIMAGE": ("481.1",),
    "RTDOSE": ("481.2",),
    "RTSTRUCT": ("481.3",),
    "RTPLAN": ("481.5", "481.8"),
    "OT": ("7", "7.2", "7.4"),
}


def classes(modalities: Iterable[str]) -> list[str]:
    """Return the SOP classes of modalities, and secondary capture, which any of them may hold.

    >>> classes(["KO"])[0]
    '1.2.840.10008.5.1.4.1.1.88.59'
    """
    suffixes = [suffix for modality in modalities for suffix in _BY_MODALITY.get(modality, ())]
    return [_STORAGE + suffix for suffix in dict.fromkeys([*suffixes, "7"])]
