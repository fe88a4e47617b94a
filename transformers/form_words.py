"""What a form says around its answers, in the patient's language; and how its dates and numbers are written.

Answers are never translated. Sources: Unicode CLDR (dates of pt and en), FHIR R4 data types.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

#: The page's own words.
LABELS: Mapping[str, Mapping[str, str]] = {
    "en": {
        "patient": "Patient", "identifier": "Patient ID", "issuer": "Issuer", "birth_date": "Date of birth",
        "form_version": "Form version", "version": "Version", "author": "Answered by", "authored": "Answered on",
        "order": "Order", "accession": "Accession number",
        "unanswered": "Not answered", "page": "Page", "of": "of", "hash": "SHA-256 of the answers",
        "signature": "Signature", "image": "Image", "chosen": "chosen", "not_chosen": "not chosen",
        "yes": "Yes", "no": "No",
    },
    "pt": {
        "patient": "Paciente", "identifier": "ID do paciente", "issuer": "Emissor", "birth_date": "Data de nascimento",
        "form_version": "Versão do formulário", "version": "Versão", "author": "Respondido por",
        "authored": "Respondido em",
        "order": "Pedido", "accession": "Número de acesso",
        "unanswered": "Não respondida", "page": "Página", "of": "de", "hash": "SHA-256 das respostas",
        "signature": "Assinatura", "image": "Imagem", "chosen": "marcada", "not_chosen": "não marcada",
        "yes": "Sim", "no": "Não",
    },
}  # fmt: skip
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


@dataclass(frozen=True, slots=True)
class Words:
    """The words of one language, and the zone that times are shown in."""

    language: str
    zone: str

    @property
    def labels(self) -> Mapping[str, str]:
        """The page's own words; English where the language is not known here."""
        return LABELS.get(self.language.partition("-")[0].lower(), LABELS["en"])

    def moment(self, moment: datetime) -> str:
        """Return a time to the minute with its offset, in the zone of the facility."""
        local = moment.astimezone(ZoneInfo(self.zone))
        offset = local.strftime("%z")
        return f"{self.date(local.date().isoformat())} {local:%H:%M} (UTC{offset[:3]}:{offset[3:5]})"

    def date(self, text: str) -> str:
        """Return a FHIR date, year, month or day, as the language writes it.

        >>> Words("pt-BR", "UTC").date("1980-01-02"), Words("en", "UTC").date("1980-01-02")
        ('02/01/1980', '2 Jan 1980')
        """
        parts = text.split("-")
        if self.labels is LABELS["pt"]:
            return "/".join(reversed(parts))
        year, *rest = parts
        month = [_MONTHS[int(rest[0]) - 1]] if rest else []
        day = [str(int(rest[1]))] if len(rest) > 1 else []
        return " ".join([*day, *month, year])

    def value(self, name: str, value: Any) -> str:
        """Return an answer's `value[x]` in words; `name` is the element, such as `valueDate`."""
        if name == "valueBoolean":
            return self.labels["yes" if value else "no"]
        if name == "valueDate":
            return self.date(value)
        if name == "valueDateTime":
            return self.moment(datetime.fromisoformat(value)) if "T" in value else self.date(value)
        if name == "valueTime":
            return str(value)[:5] if str(value).endswith(":00") else str(value)
        if isinstance(value, Mapping):
            return self._parts(name, value)
        return self.number(value) if isinstance(value, int | float | Decimal) else str(value)

    def _parts(self, name: str, value: Mapping[str, Any]) -> str:
        if name == "valueCoding":
            return str(value.get("display") or value.get("code") or "")
        if name == "valueQuantity":
            unit = value.get("unit") or value.get("code") or ""
            sign = value.get("comparator", "")
            return f"{sign}{self.number(value.get('value', ''))} {unit}".strip()
        return str(value.get("display") or value.get("reference") or "")

    def number(self, value: Any) -> str:
        """Return a number with the decimal mark of the language."""
        text = format(Decimal(str(value)), "f") if value != "" else ""
        return text.replace(".", ",") if self.labels is LABELS["pt"] else text
