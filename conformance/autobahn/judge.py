#!/usr/bin/env python3
"""judge.py REPORT CASES_MIN: prints every case that did not pass, with what was expected; fails if there is one."""
import json
import pathlib
import sys

report, cases_min = pathlib.Path(sys.argv[1]), int(sys.argv[2])
cases = json.loads((report / "index.json").read_text())["fanfare"]
passing = ("OK", "INFORMATIONAL")
order = lambda name: [int(part) for part in name.split(".")]

failed = [name for name, case in cases.items()
          if case["behavior"] not in passing or case["behaviorClose"] not in passing]
for name in sorted(failed, key=order):
    case = cases[name]
    detail = json.loads((report / case["reportfile"]).read_text())
    print(f"case {name}: {case['behavior']}, close {case['behaviorClose']}")
    print(f"    {detail.get('description', '').strip()}")
    print(f"    {detail.get('result', '')} {detail.get('resultClose', '')}")
informational = sum(case["behavior"] == "INFORMATIONAL" for case in cases.values())
print(f"{len(cases) - len(failed)} passed, {len(failed)} failed")
print(f"of those that passed, {informational} are informational")
if len(cases) < cases_min:
    sys.exit(f"only {len(cases)} cases of {cases_min} were run")
sys.exit(bool(failed))
