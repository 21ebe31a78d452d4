"""Runs a command under a seccomp filter that refuses new user namespaces, as a container's default profile does.

`python tests/refuse_user_namespaces.py COMMAND ...`; x86-64 and arm64.
"""

import ctypes
import os
import platform
import struct
import sys

UNSHARE = {"x86_64": 272, "aarch64": 97}[platform.machine()]
CLONE_NEWUSER, EPERM = 0x10000000, 1
LOAD, JUMP_EQUAL, JUMP_SET, RETURN = 0x20, 0x15, 0x45, 0x06
ALLOW, ERRNO = 0x7FFF0000, 0x00050000
PR_SET_NO_NEW_PRIVS, PR_SET_SECCOMP, SECCOMP_MODE_FILTER = 38, 22, 2

PROGRAM = [  # code, jump if true, jump if false, operand; offsets 0 and 16 are the call's number and first argument
    (LOAD, 0, 0, 0),
    (JUMP_EQUAL, 0, 3, UNSHARE),
    (LOAD, 0, 0, 16),
    (JUMP_SET, 0, 1, CLONE_NEWUSER),
    (RETURN, 0, 0, ERRNO | EPERM),
    (RETURN, 0, 0, ALLOW),
]


def refuse_user_namespaces() -> None:
    code = ctypes.create_string_buffer(b"".join(struct.pack("HBBI", *line) for line in PROGRAM))
    filter_ = ctypes.create_string_buffer(struct.pack("HxxxxxxP", len(PROGRAM), ctypes.addressof(code)))
    libc = ctypes.CDLL(None, use_errno=True)
    for arguments in ((PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), (PR_SET_SECCOMP, SECCOMP_MODE_FILTER, filter_, 0, 0)):
        if libc.prctl(*arguments) != 0:
            raise OSError(ctypes.get_errno(), "seccomp filter refused")


if __name__ == "__main__":
    refuse_user_namespaces()
    os.execvp(sys.argv[1], sys.argv[1:])
