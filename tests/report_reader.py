#!/usr/bin/env python3
"""Reads the reports of `blkreplay diff` with the parsers of others, and prints what a machine would take from them.

    report_reader.py json SCHEMA FILE     each line must fit the schema; prints verdict and exit code of each pair
    report_reader.py junit FILE           prints tests, failures and errors as counted here, then each case
    report_reader.py html FILE            every element must be closed, nothing may be fetched; prints the text

It shares no code with what writes them. Ends with 1 and a reason where a report is wrong.
"""

import json
import sys
import xml.etree.ElementTree
from html.parser import HTMLParser


def read_json(schema_path, path):
    import jsonschema

    with open(schema_path, encoding="utf-8") as file:
        schema = json.load(file)
    jsonschema.Draft202012Validator.check_schema(schema)
    validator = jsonschema.Draft202012Validator(schema)
    item = jsonschema.Draft202012Validator({"$ref": "#/$defs/item", "$defs": schema["$defs"]})
    with open(path, encoding="utf-8") as file:
        for line in file:
            value = json.loads(line)
            if value.get("schema") == "blkreplay.difference/1":
                item.validate(value)
                continue
            validator.validate(value)
            print(value["verdict"], value["exit_code"])


def read_junit(path):
    root = xml.etree.ElementTree.parse(path).getroot()
    if root.tag != "testsuites":
        sys.exit(f"the root is {root.tag}")
    cases = root.findall("testsuite/testcase")
    counted = {
        "tests": len(cases),
        "failures": len(root.findall("testsuite/testcase/failure")),
        "errors": len(root.findall("testsuite/testcase/error")),
    }
    for name, count in counted.items():
        if int(root.get(name)) != count:
            sys.exit(f"{name} says {root.get(name)}, and there are {count}")
    print(*(f"{name} {count}" for name, count in counted.items()))
    for case in cases:
        said = [child for child in case if child.tag in ("failure", "error")]
        outcome = said[0].tag if said else "passed"
        print(f"{outcome}: {case.get('name')}")
        for child in said:
            # What GitLab shows.
            if not child.text or not child.text.strip():
                sys.exit("a failure without a body")
            print(child.text)


class Page(HTMLParser):
    """What a browser would fetch, leave open and show."""

    ALONE = {"meta", "br", "hr"}

    def __init__(self):
        super().__init__()
        self.open = []
        self.text = []

    def handle_starttag(self, tag, attributes):
        for name, value in attributes:
            if name in ("src", "data", "action") or (name == "href" and not value.startswith("#")):
                sys.exit(f"<{tag} {name}={value}> is fetched")
            if name.startswith("on"):
                sys.exit(f"<{tag} {name}> runs")
        if tag in ("script", "iframe", "link", "img", "object"):
            sys.exit(f"there is a <{tag}>")
        if tag not in self.ALONE:
            self.open.append(tag)

    def handle_endtag(self, tag):
        if not self.open or self.open.pop() != tag:
            sys.exit(f"</{tag}> closes nothing")

    def handle_data(self, data):
        if "style" in self.open:
            if "url(" in data or "@import" in data:
                sys.exit("a style is fetched")
        else:
            self.text.append(data)


def read_html(path):
    page = Page()
    with open(path, encoding="utf-8") as file:
        page.feed(file.read())
    page.close()
    if page.open:
        sys.exit(f"never closed: {page.open}")
    print("".join(page.text))


READERS = {"json": read_json, "junit": read_junit, "html": read_html}

if __name__ == "__main__":
    READERS[sys.argv[1]](*sys.argv[2:])
