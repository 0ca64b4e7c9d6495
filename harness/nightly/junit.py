"""The night as JUnit XML, the form that CI systems show: a test case a gate, and one for the runs.

A confirmed regression is a failure, a void gate an error, an undecided one is skipped with its reason.
"""

from __future__ import annotations

import re
from xml.etree import ElementTree

from harness.model import Status
from harness.nightly.night import Night
from harness.nightly.page import interval
from harness.nightly.triage import GateOutcome, Outcome

_ELEMENTS = {Outcome.REGRESSED: "failure", Outcome.VOID: "error", Outcome.UNDECIDED: "skipped"}
_NOT_XML = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def junit(night: Night) -> str:
    suite = ElementTree.Element("testsuite", name=night.experiment, timestamp=f"{night.night}T00:00:00")
    for gate in night.gates:
        _case(suite, night, gate)
    _whole(suite, night)
    cases = suite.findall("testcase")
    suite.set("tests", str(len(cases)))
    for name, element in (("failures", "failure"), ("errors", "error"), ("skipped", "skipped")):
        suite.set(name, str(sum(case.find(element) is not None for case in cases)))
    root = ElementTree.Element("testsuites")
    root.append(suite)
    ElementTree.indent(root)
    text = ElementTree.tostring(root, encoding="unicode")
    return f'<?xml version="1.0" encoding="UTF-8"?>\n{text}\n'


def _case(suite: ElementTree.Element, night: Night, gate: GateOutcome) -> None:
    lane, _, _ = gate.metric.partition(".")
    case = ElementTree.SubElement(suite, "testcase", classname=f"{night.experiment}.{lane}", name=gate.gate)
    found = gate.decided_on
    told = f"{gate.outcome}: {interval(found)} against {gate.rule}" + (f"; {found.note}" if found.note else "")
    element = _ELEMENTS.get(gate.outcome)
    if element is None:
        ElementTree.SubElement(case, "system-out").text = _clean(told)
    else:
        ElementTree.SubElement(case, element, message=_clean(told))


def _whole(suite: ElementTree.Element, night: Night) -> None:
    """Failed runs and what else the remarks say, which no gate of its own stands for."""
    case = ElementTree.SubElement(suite, "testcase", classname=night.experiment, name="runs")
    text = _clean("\n".join(night.remarks))
    gates = {gate.outcome for gate in night.gates}
    if night.status is Status.NO_GO and Outcome.REGRESSED not in gates:
        ElementTree.SubElement(case, "failure", message=text)
    elif night.status is Status.VOID and Outcome.VOID not in gates:
        ElementTree.SubElement(case, "error", message=text)
    elif text:
        ElementTree.SubElement(case, "system-out").text = text


def _clean(text: str) -> str:
    """Characters that XML 1.0 cannot hold, as a workload's output may have, become question marks."""
    return _NOT_XML.sub("?", text)
