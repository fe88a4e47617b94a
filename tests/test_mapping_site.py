"""site.yaml: typed settings, environment variables, secrets that stay unresolved; all mistakes at once."""

from pathlib import Path
from urllib.parse import urlsplit

import pytest

from messages.problem import Problems
from transformers.mapping_site import is_secret, load_site

SHIPPED = Path(__file__).parents[1] / "mappings"
TEXT = """\
version: 1
site: { name: Test, time_zone: America/Sao_Paulo }
data: ${DATA:data}
stations:
  ris:
    host: ${RIS_HOST:127.0.0.1}
    port: "${RIS_PORT:6661}"
    url: https://${RIS_HOST:localhost}:${RIS_PORT:443}/fhir
    tls: false
    password: ${secret:RIS}
values:
  endpoint: { app: BLUME, code: 08 }
"""


def site(folder: Path, text: str = TEXT, **environ: str):
    (folder / "site.yaml").write_text(text)
    return load_site(folder, environ)


def test_settings_are_typed_and_secrets_are_kept_as_they_stand(tmp_path):
    assert site(tmp_path).stations["ris"] == {
        "host": "127.0.0.1",
        "port": 6661,
        "url": "https://localhost:443/fhir",
        "tls": False,
        "password": "${secret:RIS}",
    }
    assert is_secret("${secret:RIS}")


def test_the_environment_stands_before_the_default(tmp_path):
    found = site(tmp_path, RIS_HOST="ris.example", RIS_PORT="7000", DATA="/var/lib/x")

    assert found.stations["ris"]["port"] == 7000
    assert found.stations["ris"]["url"] == "https://ris.example:7000/fhir"
    assert found.data == "/var/lib/x"


def test_a_value_is_found_by_its_dotted_name(tmp_path):
    found = site(tmp_path)

    assert found.value("endpoint.app") == "BLUME"
    assert found.value("endpoint.code") == "08"
    assert found.value("endpoint.none") is None
    assert found.value("endpoint.app.deeper") is None
    assert found.names() == ["endpoint.app", "endpoint.code"]


def test_a_setting_has_its_place(tmp_path):
    place = site(tmp_path).place(("stations", "ris", "port"))

    assert (place.line, place.column) == (7, 11)


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ("${DATA:data}", "${DATA}", "3:7: error E131 the environment variable DATA is not set"),
        ("${DATA:data}", "${DATA", "3:7: error E131 a variable is written ${NAME} or ${NAME:default}"),
        ("${DATA:data}", "x${secret:DATA}", "3:8: error E131 a secret stands alone"),
        ("America/Sao_Paulo", "Brasilia", "2:32: error E134 'Brasilia' is no time zone"),
        ("stations:", "station:", "4:1: error E020 unknown word 'station'\n    did you mean 'stations'?"),
        ("name: Test, ", "", "2:1: error E021 'name' is missing in 'site'"),
        ("version: 1", "version: 2", "1:10: error E022 'version': one of these is expected: '1'"),
        ("  ris:\n", "  RIS 1:\n", "5:3: error E023 this name is written in small letters, digits and hyphens"),
    ],
)
def test_a_mistake_in_site_yaml_is_told_with_its_place(tmp_path, old, new, told):
    with pytest.raises(Problems) as caught:
        site(tmp_path, TEXT.replace(old, new))

    assert f"site.yaml:{told}" in str(caught.value)


def _hosts(settings):
    """Yield every host and the host of every base, however deep a station has them."""
    for name, value in settings.items():
        if isinstance(value, dict):
            yield from _hosts(value)
        elif name == "host":
            yield value
        elif name == "base":
            yield urlsplit(value).hostname


def test_the_shipped_site_listens_and_sends_on_the_loopback_only():
    shipped = load_site(SHIPPED, {})

    hosts = set(_hosts(shipped.stations))
    assert hosts == {"127.0.0.1"}
    assert shipped.console == {"host": "127.0.0.1", "port": 8090}
    assert shipped.stations["blume-intake"]["port"] == 8080
    assert shipped.stations["powerserver"] == {"host": "127.0.0.1", "port": 6661, "answer_within": 30}


def test_the_shipped_site_takes_its_variables():
    variables = {"PLUGIN_HOST_DATA": "d", "PLUGIN_HOST_FHIR_PORT": "1", "PLUGIN_HOST_CONSOLE_PORT": "2"}
    variables |= {"POWERSERVER_HOST": "ps", "POWERSERVER_MLLP_PORT": "3"}

    shipped = load_site(SHIPPED, variables)

    assert (shipped.data, shipped.console["port"]) == ("d", 2)
    assert shipped.stations["blume-intake"]["port"] == 1
    assert (shipped.stations["powerserver"]["host"], shipped.stations["powerserver"]["port"]) == ("ps", 3)
