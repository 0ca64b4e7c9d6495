"""What a script does all day: text parsed to records, dictionaries, sorting, JSON there and back."""

import json
import sys

rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 5
state, total = 1, 0
kept: list[list[tuple[int, list[str]]]] = []
for _ in range(rounds):
    records = []
    for i in range(6000):
        state = (state * 1103515245 + 12345) % 2147483648
        records.append({"id": i, "name": f"name-{state}", "tags": [str(state % k) for k in (3, 7, 31)], "size": state % 5000})
    text = json.dumps(records)
    back = json.loads(text)
    groups: dict[int, list[str]] = {}
    for record in back:
        groups.setdefault(record["size"] % 100, []).append(record["name"] + "/".join(record["tags"]))
    kept = kept[-2:] + [sorted((key, sorted(names)) for key, names in groups.items())]
    total += len(text)
print("total", total)
