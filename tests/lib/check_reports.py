"""Whether texts are JUnit's XML and SARIF 2.1.0, by what their schemas require and allow, from which these lists are taken."""

import json
import xml.etree.ElementTree as ElementTree


def is_safe(text):
    """Whether nothing in it could control a terminal."""
    return all(character == "\n" or not (ord(character) < 32 or 127 <= ord(character) < 160) for character in text)


# Attributes by element, of the schema that Jenkins has (junit-10.xsd); True: required. And the elements within each.
JUNIT = {"testsuites": ({"name": 0, "time": 0, "tests": 0, "failures": 0, "errors": 0}, {"testsuite"}),
         "testsuite": ({"name": True, "tests": True, "failures": 0, "errors": 0, "skipped": 0, "time": 0, "timestamp": 0, "hostname": 0},
                       {"properties", "testcase", "system-out", "system-err"}),
         "testcase": ({"name": True, "classname": 0, "time": 0}, {"skipped", "error", "failure", "system-out", "system-err"}),
         "failure": ({"type": 0, "message": 0}, set()), "skipped": ({"type": 0, "message": 0}, set()), "system-out": ({}, set())}


def is_element(element):
    """Whether it has what the schema allows, and all that it requires."""
    if element.tag not in JUNIT:
        return False
    attributes, within = JUNIT[element.tag]
    good = set(element.attrib) <= set(attributes) and all(name in element.attrib for name, needed in attributes.items() if needed)
    return good and all(child.tag in within and is_element(child) for child in element)


def is_junit(text):
    try:
        root = ElementTree.fromstring(text.encode())
    except ElementTree.ParseError:
        return False
    suites = list(root)
    counted = all(int(suite.get("tests")) == len(suite.findall("testcase")) and int(suite.get("failures")) == len(suite.findall("testcase/failure"))
                  for suite in suites)
    return root.tag == "testsuites" and is_element(root) and counted and bool(suites)


def is_result(result, rules):
    good = set(result) <= {"ruleId", "kind", "level", "message", "locations"} and result["ruleId"] in rules and set(result["message"]) == {"text"}
    good = good and result["level"] in ("none", "note", "warning", "error")
    good = good and (result.get("kind", "fail") == "fail" or (result["kind"] in ("pass", "notApplicable") and result["level"] == "none"))
    for location in result.get("locations", []):
        good = good and set(location) <= {"physicalLocation", "logicalLocations"} and location
        for logical in location.get("logicalLocations", []):
            good = good and set(logical) == {"fullyQualifiedName"}
    return bool(good)


def is_sarif(text):
    try:
        log = json.loads(text)
    except json.JSONDecodeError:
        return False
    if set(log) != {"$schema", "version", "runs"} or log["version"] != "2.1.0" or len(log["runs"]) != 1:
        return False
    run, = log["runs"]
    rules = [rule["id"] for rule in run["tool"]["driver"]["rules"]]
    return (set(run) == {"tool", "results"} and bool(run["tool"]["driver"]["name"]) and len(set(rules)) == len(rules)
            and all(is_result(result, rules) for result in run["results"]))
