"""What `plugin-host test` found, for machines: JUnit XML, the form that build servers read."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from collections.abc import Mapping, Sequence
from pathlib import Path

from transformers.mapping_tests import TestResult


def write_junit(path: Path, results: Mapping[str, Sequence[TestResult]], unfit: Sequence[str]) -> None:
    """Write one test suite for each mapping file.

    Args:
        path: of the file to write.
        results: of the tests, by mapping file.
        unfit: mapping files that have problems, so that their tests could not run.
    """
    suites = ET.Element("testsuites", name="plugin-host test")
    for file, tests in results.items():
        failed = sum(not test.passed for test in tests)
        suite = ET.SubElement(
            suites, "testsuite", name=file, tests=str(len(tests)), failures=str(failed), errors="0", skipped="0"
        )
        for test in tests:
            place = test.place
            case = ET.SubElement(
                suite, "testcase", name=test.name, classname=file, file=place.file, line=str(place.line)
            )
            if not test.passed:
                told = "\n".join(test.differences)
                ET.SubElement(case, "failure", message=test.differences[0]).text = f"{place}\n{told}"
    for file in unfit:
        suite = ET.SubElement(suites, "testsuite", name=file, tests="1", failures="0", errors="1", skipped="0")
        case = ET.SubElement(suite, "testcase", name="is fit to run", classname=file)
        ET.SubElement(case, "error", message="the file has problems: plugin-host check")
    ET.indent(suites)
    path.write_bytes(ET.tostring(suites, encoding="utf-8", xml_declaration=True) + b"\n")
