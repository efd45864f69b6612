// Calls that a container must not be able to make, through libc's syscall(2).
// Prints {name: "ok N" | "ERRNO"}; the expected outcome of each stands in
// hostile_test.go. Numbers are amd64's; what stands before this text has own, the
// machine's for those that differ.
import { dlopen, FFIType as F, ptr, read } from "bun:ffi";
const { symbols: c } = dlopen("libc.so.6", {
  syscall: { args: [F.i64, F.i64, F.i64, F.i64, F.i64, F.i64, F.i64], returns: F.i64 },
  __errno_location: { args: [], returns: F.ptr },
});
const names: Record<number, string> = { 1: "EPERM", 2: "ENOENT", 3: "ESRCH", 9: "EBADF", 10: "ECHILD", 13: "EACCES", 14: "EFAULT", 22: "EINVAL", 25: "ENOTTY", 30: "EROFS", 38: "ENOSYS", 97: "EAFNOSUPPORT" };
const keep: Buffer[] = [];
const text = (s: string) => { const b = Buffer.from(s + "\0"); keep.push(b); return BigInt(ptr(b)); };
const buf = Buffer.alloc(4096);
const P = ptr(buf);
function call(nr: number, ...args: (number | string)[]): string {
  const a = [...args, 0, 0, 0, 0, 0, 0].slice(0, 6).map(v => typeof v === "string" ? text(v) : BigInt(v));
  const r = Number((c.syscall as any)(own[nr] ?? nr, ...a));
  if (r >= 0) return "ok";
  const e = read.i32(c.__errno_location() as any, 0);
  return names[e] ?? "errno " + e;
}
const NEW = { mnt: 0x20000, cgroup: 0x2000000, uts: 0x4000000, ipc: 0x8000000, user: 0x10000000, pid: 0x20000000, net: 0x40000000, time: 0x80 };
const out: Record<string, string> = {};
for (const [n, f] of Object.entries(NEW)) out["unshare " + n] = call(272, f);
for (const [n, f] of Object.entries(NEW)) if (n !== "time") out["clone " + n] = call(56, f | 17);
const calls: [string, number, ...(number | string)[]][] = [
  ["clone3", 435, P, 88], ["setns", 308, 0, 0], ["mount", 165, "none", "/tmp", "tmpfs"], ["umount2", 166, "/proc", 2], ["pivot_root", 155, "/", "/"], ["chroot", 161, "/tmp"],
  ["fsopen", 430, "tmpfs", 0], ["fsconfig", 431, 0, 6], ["fsmount", 432, 0], ["open_tree", 428, -100, "/", 1], ["move_mount", 429, 0, "", 0, ""], ["mount_setattr", 442, -100, "/", 0, P, 32],
  ["ptrace", 101, 0], ["process_vm_readv", 310, 1, P, 1, P, 1], ["process_vm_writev", 311, 1, P, 1, P, 1], ["kcmp", 312, 1, 1], ["pidfd_getfd", 438, 0, 0], ["process_madvise", 440, 0, P, 1],
  ["bpf", 321, 0, P, 64], ["perf_event_open", 298, P, 0, -1, -1], ["io_uring_setup", 425, 8, P], ["io_uring_register", 427, 0], ["userfaultfd", 323, 0],
  ["keyctl", 250, 0, 0], ["add_key", 248, "user", "a", P, 1, -3], ["request_key", 249, "user", "a", 0, -3],
  ["splice", 275, 0, 0, 1, 0, 1], ["vmsplice", 278, 1, P], ["tee", 276, 0, 1, 1], ["open_by_handle_at", 304, -100, P], ["name_to_handle_at", 303, -100, "/", P, P],
  ["init_module", 175, P], ["finit_module", 313, 0], ["delete_module", 176, "x"], ["kexec_load", 246], ["reboot", 169], ["swapon", 167, "/x"], ["acct", 163], ["quotactl", 179], ["settimeofday", 164, P], ["clock_settime", 227, 0, P], ["sethostname", 170, "x", 1], ["syslog", 103, 3, P, 100],
  ["personality", 135, 0x40000], ["modify_ldt", 154, 0, P, 16], ["iopl", 172, 3], ["ioperm", 173, 0, 1, 1], ["mknod", 133, "/tmp/sda", 0o60600, 0x800], ["mknodat", 259, -100, "/tmp/sdb", 0o60600, 0x800],
  ["setuid", 105, 0], ["setgid", 106, 0], ["setgroups", 116, 0], ["setresuid", 117, 0, 0, 0], ["capset", 126, P, P], ["seccomp", 317, 2, 0, P], ["prctl seccomp", 157, 22, 2, P], ["prctl pdeathsig", 157, 1, 0], ["prctl ambient", 157, 47, 2, 1], ["prctl mdwe", 157, 65, 1], ["landlock", 444, 0, 0, 1],
  ["fanotify_init", 300], ["ioprio_set", 251, 1, 0, 0x2000], ["nice", 141, 0, 0, -5], ["sched_setscheduler", 144, 0, 1, P], ["sched_setattr", 314, 0, P], ["set_mempolicy", 238], ["move_pages", 279], ["memfd_secret", 447], ["shmget", 29, 1, 4096, 0o1600], ["msgget", 68, 1, 0o1600], ["semget", 64, 1, 1, 0o1600], ["mq_open", 240, "q", 0o102, 0o600],
  ["AF_INET", 41, 2, 1], ["AF_INET6", 41, 10, 1], ["AF_INET raw", 41, 2, 3, 1], ["AF_NETLINK", 41, 16, 3], ["AF_PACKET", 41, 17, 3, 0x300], ["AF_VSOCK", 41, 40, 1], ["AF_ALG", 41, 38, 5], ["AF_RXRPC", 41, 33, 2, 2], ["AF_TIPC", 41, 30, 1], ["socketpair AF_TIPC", 53, 30, 1, 0, P],
  ["TIOCSTI", 16, 0, 0x5412, P], ["x32 getpid", 0x40000000 + 39], ["kill host process", 62, 2, 9], ["AF_UNIX", 41, 1, 1],
];
for (const [name, nr, ...args] of calls) out[name] = call(nr, ...args);
console.log(JSON.stringify(out));
