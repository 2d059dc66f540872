"""Corner cases of NBD, driven by libnbd's Python bindings against a recording: a function a case.

    run.py --list            group, name and options of `record`, a line a case
    run.py CASE              does one, on the exports of $BLKREPLAY_URI

A case leaves `asked.json`: what was asked and what came of it, a line a request, in the words of the trace. Needs
libnbd 1.14 and nothing later. Invariant: a case that ends well has seen each answer that it was due.
"""

import json
import sys

import handshake  # noqa: F401  (these have the cases)
import transmission  # noqa: F401
import ways  # noqa: F401
from disk import ASKED, CASES


def main():
    """Lists the cases, or runs one."""
    if sys.argv[1:] == ["--list"]:
        for (name, (group, options, _)) in CASES.items():
            print(group, name, options)
        return
    CASES[sys.argv[1]][2]()
    with open("asked.json", "w", encoding="utf-8") as out:
        out.writelines(json.dumps(request) + "\n" for request in ASKED)


if __name__ == "__main__":
    main()
