"""Writes the linker script from the functions that ran.

Standard input is what `nm --print-size` says of the program. The arguments are a file with the names of the functions that ran,
and what `nm --print-file-name` says of C's library and of AWS-LC.
"""

import re
import sys
from collections import defaultdict

# What of a name is another one in the next build, though the function is the same.
VOLATILE = [
    # Names as rustc makes them by default end in a hash. Functions of one name with other types differ in nothing else: all of
    # them are taken. That is a third more than ran; to leave one out would cost 64 KiB of pages around it wherever it is.
    (re.compile(r"17h[0-9a-f]{16}E(\..*)?$"), "17h*"),
    # In names of the other kind, as the standard library has them, a crate has a number made of its version and of how it is
    # built: `Cs1a2B3c4D5e6_4core`.
    (re.compile(r"Cs[0-9A-Za-z]{9,12}_(?=[0-9])"), "Cs*_"),
    # Places of earlier parts in the same name, which move with the length of such numbers.
    (re.compile(r"(?<=[A-Z0-9a-z])B[0-9A-Za-z]{1,2}_"), lambda found: "B" + "?" * (len(found[0]) - 2) + "_"),
    (re.compile(r"\.llvm\.\d+"), ".llvm.*"),
    # Copies of one function get a number in the order in which they are met.
    (re.compile(r"^(_R.*)\.\d+$"), r"\1"),
    (re.compile(r"aws_lc_\d+_\d+_\d+_"), "aws_lc_*_"),
]

# What runs on a node and is not in what `qemu-user` says: it knows neither Landlock nor all instructions of newer processors, in the
# short time that it runs it sees no idle thread end, and when it is killed its last words are lost.
LOST = (
    r"CharPredicateSearcher|SeenFiles|4itoa6Buffer6format|12new_internal|81drop_in_place.*result\.\.Result.*io\.\.error"
    r"|into_header_name|HeaderMap.*IntoIterator.*9into_iter17h|6StringNt.*PartialOrd11partial_cmp"
    r"|^_dl_new_object$|^_dl_setup_hash$|^ceil$"
)
NATIVE = re.compile(
    LOST
    + r"|landlock\d+(access|uapi)|sight6settle|shani_cpuid|getrandom8backends|sha2563x86|worker_timed_out|lazy7destroy|pthread_join|rdrand|entropy_cpu|x25519base_byte|mlkem\w*(_avx2|_4x)|^ceilf64$"
)

# Those for other processors than the one of `qemu-user`.
PROCESSORS = re.compile(r"-avx2?(_movbe)?\b")

HEAD = """\
/* Written by `make often`: the functions that the agent runs, side by side, so that little of the program is resident.
   A name that no longer exists changes nothing. docs/benchmark.md says what this saves. */
SECTIONS
{
  .text.often :
  {"""
TAIL = """\
    *(.text.startup.*)
  }
}
INSERT BEFORE .text;"""


def functions(lines):
    for line in lines:
        fields = line.split()
        if len(fields) == 4 and fields[2] in "tTwW":
            yield fields[3], int(fields[1], 16)


def pattern(name):
    for volatile, wildcard in VOLATILE:
        name = volatile.sub(wildcard, name)
    return name


def files(lines, ran):
    """The files of C's library and those in assembler with a function that ran: their functions have no sections of their own."""
    for line in lines:
        found = re.match(r"(?:.*/)?([^:/]*):([^:]+):[0-9a-f]+ ([tTwWi]) (\S+)$", line)
        if not found or (found[4] not in ran and not NATIVE.search(found[4])):
            continue
        archive, file = found[1], found[2]
        if archive == "libc.a":
            yield f"*libc.a:{file}(.text .text.*)"
            yield f"*libc.a:{PROCESSORS.sub('-evex*', file)}(.text .text.*)"
            # What chooses for this processor ran: on another one it chooses these.
            if found[3] == "i" or found[4].endswith("_ifunc"):
                yield f"*libc.a:{file.removesuffix('.o')}-evex*.o(.text .text.*)"
                yield f"*libc.a:{file.removesuffix('.o')}-avx512*.o(.text .text.*)"
        else:
            yield re.sub(r"-[0-9a-f]{16}\.rlib:[0-9a-f]{16}-", "-*.rlib:*-", f"*{archive}:{file}(.text)")


def main():
    with open(sys.argv[1], encoding="utf-8") as file:
        ran = {line.strip() for line in file}
    with open(sys.argv[2], encoding="utf-8") as file:
        whole = set(files(file, ran))
    sizes = defaultdict(int)
    for name, size in functions(sys.stdin):
        sizes[pattern(name)] += size
    names = {pattern(name) for name in ran} & sizes.keys()
    names |= {name for name in sizes if NATIVE.search(name)}
    print(HEAD)
    for name in sorted(names):
        print(f"    *(.text.{name})")
        # The compiler keeps those apart that are marked as seldom called. They are called all the same.
        print(f"    *(.text.unlikely.{name})")
        if name.startswith("_R"):
            print(f"    *(.text.{name}.*)")
    for file in sorted(whole):
        print(f"    {file}")
    print(TAIL)
    print(f"{len(names)} names, {sum(sizes[name] for name in names)} of {sum(sizes.values())} bytes", file=sys.stderr)


if __name__ == "__main__":
    main()
