"""Becomes PostgreSQL: settles privileges, asks for a signal when the parent dies, then executes what follows `--`.

A program of its own (`python -I -S postgres_exec.py OPTIONS -- COMMAND ...`, standard library only), because a
parent-death signal is forgotten when credentials change, so it must be set after them, in the process that becomes the
server. PostgreSQL refuses to run as root; root has two ways round that:

--namespace UID   a user namespace in which our root is UID: works in folders that only root can enter
--drop UID        become UID, keeping CAP_DAC_OVERRIDE so that folders only root can enter stay reachable; for kernels
                  and containers that refuse user namespaces
"""

import argparse
import ctypes
import os
import signal
import struct
import sys

CLONE_NEWUSER = 0x10000000
PR_SET_PDEATHSIG, PR_SET_SECUREBITS, PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE = 1, 28, 47, 2
SECBIT_NO_SETUID_FIXUP = 4
CAP_DAC_OVERRIDE, CAPABILITY_VERSION_3 = 1, 0x20080522
REFUSED = 77
"""Exit status: the kernel refused the privileges asked for."""

libc = ctypes.CDLL(None, use_errno=True)


def checked(result: int, what: str) -> None:
    if result != 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{what}: {os.strerror(number)}")


def enter_namespace(uid: int) -> None:
    """Become `uid` in a new user namespace that maps it to the caller; the group likewise."""
    outer_uid, outer_gid = os.getuid(), os.getgid()
    checked(libc.unshare(CLONE_NEWUSER), "unshare")
    for name, line in (
        ("setgroups", "deny"),
        ("uid_map", f"{uid} {outer_uid} 1"),
        ("gid_map", f"{uid} {outer_gid} 1"),
    ):
        with open(f"/proc/self/{name}", "w") as file:
            file.write(line)


def drop_to(uid: int) -> None:
    """Become `uid` for good, with CAP_DAC_OVERRIDE as the only capability, kept over the coming exec.

    The secure bit has changes of uid leave capabilities alone, also inside access(2), by which PostgreSQL looks for its
    own binaries.
    """
    checked(libc.prctl(PR_SET_SECUREBITS, SECBIT_NO_SETUID_FIXUP, 0, 0, 0), "secure bits")
    os.setgroups([])
    os.setresgid(uid, uid, uid)
    os.setresuid(uid, uid, uid)
    bit = 1 << CAP_DAC_OVERRIDE
    header = struct.pack("Ii", CAPABILITY_VERSION_3, 0)
    checked(libc.capset(header, struct.pack("6I", bit, bit, bit, 0, 0, 0)), "capset")
    checked(libc.prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, CAP_DAC_OVERRIDE, 0, 0), "ambient capability")


def main() -> None:
    parser = argparse.ArgumentParser(prog="postgres_exec", description=__doc__)
    parser.add_argument("--namespace", type=int, metavar="UID")
    parser.add_argument("--drop", type=int, metavar="UID")
    parser.add_argument("--death-signal", type=int, default=signal.SIGINT)
    parser.add_argument("--parent", type=int, required=True, help="our parent's pid, to see that it still lives")
    parser.add_argument("command", nargs="+")
    options = parser.parse_args()
    try:
        if options.namespace is not None:
            enter_namespace(options.namespace)
        if options.drop is not None:
            drop_to(options.drop)
    except OSError as error:
        print(f"privileges refused: {error}", file=sys.stderr)
        sys.exit(REFUSED)
    checked(libc.prctl(PR_SET_PDEATHSIG, options.death_signal, 0, 0, 0), "parent-death signal")
    if os.getppid() not in (options.parent, 0):  # 0: the parent lives in an outer PID namespace
        sys.exit("the parent ended before the start")
    os.umask(0o077)
    os.execv(options.command[0], options.command)


if __name__ == "__main__":
    main()
