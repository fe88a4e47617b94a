"""Where values come from in a mapping from FHIR to DICOM, checked: `fhir_sources` with DICOM's formats."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from transformers.dicom_formats import DICOM_FORMATS
from transformers.fhir_sources import FhirSources
from transformers.hl7_mapping_sources import TEXT, Plan
from transformers.mapping_desk import Where
from transformers.mapping_file import did_you_mean
from transformers.mapping_rules import plain_types, sources


@dataclass(slots=True)
class DicomSources(FhirSources):
    """The document that a mapping reads, and its names."""

    def value(self, where: Where, rule: Any, *, name: str, wanted: str | None = None) -> tuple[Plan, str, bool] | None:
        """Check `from`, `as`, `table` and `default` of a rule; gives TEXT, or the FHIR type that needs a format."""
        if rule.as_ is None:
            return FhirSources.value(self, where, rule, name=name, wanted=wanted)
        place = (*where, "as")
        format_ = DICOM_FORMATS.get(rule.as_.format)
        if format_ is None:
            hint = did_you_mean(rule.as_.format, DICOM_FORMATS) or f"formats are {', '.join(DICOM_FORMATS)}"
            self.desk.add("E120", place, f"there is no format '{rule.as_.format}' to DICOM", hint)
            return None
        self._alone(where, rule)
        checked = FhirSources.value(
            self, where, rule.model_copy(update={"as_": None, "table": None}), name=name, wanted=wanted
        )
        if checked is None:
            return None
        plan, _, repeats = checked
        for one in sources(self.paths, (*where, "from"), rule.from_ or [], self._inside()):
            wrong = sorted(plain_types(one.gives) - format_.accepts) if "*" not in format_.accepts else []
            if wrong:
                takes = ", ".join(sorted(format_.accepts))
                text = f"as: {rule.as_.format} takes {takes}, and {one.text} gives {' or '.join(wrong)}"
                near = [other for other, its in DICOM_FORMATS.items() if set(wrong) <= its.accepts]
                self.desk.add("E121", one.where, text, f"formats for it: {', '.join(near)}" if near else None)
        if wanted is not None and wanted not in format_.fits:
            fits = [other for other, its in DICOM_FORMATS.items() if wanted in its.fits]
            text = f"as: {rule.as_.format} gives {' or '.join(sorted(format_.fits))}, and {name} is {wanted}"
            self.desk.add("E123", place, text, f"formats for {wanted}: {', '.join(fits)}" if fits else None)
        return plan | {"as": rule.as_.format}, TEXT, repeats

    def _alone(self, where: Where, rule: Any) -> None:
        """Note what cannot stand beside a format."""
        for option in rule.as_.model_extra or {}:
            text = f"the format {rule.as_.format} has no option '{option}'"
            self.desk.add("E122", (*where, "as", option), text, "take it away", key=True)
        if rule.table is not None:
            self.desk.add("E124", (*where, "table"), f"as: {rule.as_.format} takes no table of codes", key=True)
