"""Writes the linker script from the functions that ran.

Standard input is what `nm --print-size` says of the program. The argument is a file with the names of the functions that ran.
"""

import re
import sys
from collections import defaultdict

# rustc ends a name with a hash that differs between its releases.
HASH = re.compile(r"17h[0-9a-f]{16}E(\.llvm\.\d+|\.\d+)?$")
# Of all functions that share a name without its hash, this share must have run for the name to stand for them all.
SHARE = 0.8

HEAD = """\
/* Written by `make often`: the functions that the agent runs, side by side, so that little of the program is resident.
   A name that no longer exists changes nothing. docs/benchmark.md says what this saves. */
SECTIONS
{
  .text.often :
  {"""
TAIL = """\
  }
}
INSERT BEFORE .text;"""


def functions(lines):
    for line in lines:
        fields = line.split()
        if len(fields) == 4 and fields[2] in "tTwW":
            yield fields[3], int(fields[1], 16)


def main():
    with open(sys.argv[1], encoding="utf-8") as file:
        ran = {line.strip() for line in file}
    whole, used, exact = defaultdict(int), defaultdict(int), defaultdict(set)
    for name, size in functions(sys.stdin):
        base = HASH.sub("17h", name)
        whole[base] += size
        if name in ran:
            used[base] += size
            exact[base].add(name)
    print(HEAD)
    count = 0
    for base in sorted(exact):
        if base.endswith("17h") and used[base] >= SHARE * whole[base]:
            names = [base + "*"]
        else:
            names = sorted(exact[base])
        count += len(names)
        for name in names:
            print(f"    *(.text.{name})")
    print(TAIL)
    print(f"{count} names, {sum(used.values())} of {sum(whole.values())} bytes", file=sys.stderr)


if __name__ == "__main__":
    main()
