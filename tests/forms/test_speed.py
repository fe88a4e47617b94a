"""A form of three pages takes less than 40 ms of a processor; the short profile of the bench runs to its end."""

from tests.forms import speed


def test_a_form_of_three_pages_takes_less_than_forty_milliseconds_of_cpu():
    assert speed.render_cpu(8)["best"] < 40


def test_forms_and_appointments_are_measured_side_by_side():
    found = speed.beside_forms(forms=2, seconds=0.3, rounds=1)

    assert found["alone"]["count"] == 12
    assert found["beside_forms"]["count"] >= 12
