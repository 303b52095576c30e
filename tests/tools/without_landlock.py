#!/usr/bin/env python3
"""Runs a program as if the kernel had no Landlock.

    without_landlock.py PROGRAM [ARGUMENT…]

A seccomp filter answers its three system calls with ENOSYS, as Linux before 5.13 does.
"""

import ctypes
import errno
import os
import struct
import sys

PR_SET_SECCOMP, PR_SET_NO_NEW_PRIVS, SECCOMP_MODE_FILTER = 22, 38, 2
LOAD_NUMBER, AT_LEAST, RETURN = 0x20, 0x35, 0x06
ALLOW, ERROR = 0x7FFF0000, 0x00050000
FIRST, BEHIND = 444, 447


class Program(ctypes.Structure):
    _fields_ = [("length", ctypes.c_ushort), ("filter", ctypes.c_char_p)]


def main() -> None:
    # By the number of the call alone: it is the same on every architecture.
    steps = [
        (LOAD_NUMBER, 0, 0, 0),
        (AT_LEAST, 0, 2, FIRST),
        (AT_LEAST, 1, 0, BEHIND),
        (RETURN, 0, 0, ERROR | errno.ENOSYS),
        (RETURN, 0, 0, ALLOW),
    ]
    code = b"".join(struct.pack("HBBI", *step) for step in steps)
    libc = ctypes.CDLL(None, use_errno=True)
    program = Program(len(steps), code)
    if libc.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) or libc.prctl(
        PR_SET_SECCOMP, SECCOMP_MODE_FILTER, ctypes.byref(program), 0, 0
    ):
        raise OSError(ctypes.get_errno(), "no filter can be set")
    os.execvp(sys.argv[1], sys.argv[1:])


if __name__ == "__main__":
    main()
