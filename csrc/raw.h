/*
 * System calls without libc: they return -errno and touch neither errno, whose
 * storage in a child with CLONE_VM is the host thread's, nor any lock.
 */
#ifndef USERNS_RAW_H
#define USERNS_RAW_H

#include <linux/sched.h>
#include <signal.h>
#include <stdint.h>
#include <sys/syscall.h>

#if defined(__x86_64__)

static inline long raw_syscall(long nr, long a, long b, long c, long d, long e,
                               long f)
{
    long ret;
    register long r10 __asm__("r10") = d;
    register long r8 __asm__("r8") = e;
    register long r9 __asm__("r9") = f;
    __asm__ volatile("syscall"
                     : "=a"(ret)
                     : "a"(nr), "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8),
                       "r"(r9)
                     : "rcx", "r11", "memory");
    return ret;
}

/* A clone whose child starts in run(arg) on the stack that its arguments name;
   run never returns.  The parent gets the child's pid or -errno. */
static inline long raw_clone(long nr, long a, long b, long c, long d, long e,
                             void (*run)(void *), void *arg)
{
    long ret;
    register long r10 __asm__("r10") = d;
    register long r8 __asm__("r8") = e;
    register void *r12 __asm__("r12") = (void *)(uintptr_t)run;
    register void *r13 __asm__("r13") = arg;
    __asm__ volatile("syscall\n\t"
                     "test %%rax, %%rax\n\t"
                     "jnz 1f\n\t"
                     "xor %%ebp, %%ebp\n\t"
                     "mov %%r13, %%rdi\n\t"
                     "call *%%r12\n\t"
                     "hlt\n"
                     "1:"
                     : "=a"(ret)
                     : "a"(nr), "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8),
                       "r"(r12), "r"(r13)
                     : "rcx", "r11", "memory");
    return ret;
}

#elif defined(__aarch64__)

static inline long raw_syscall(long nr, long a, long b, long c, long d, long e,
                               long f)
{
    register long x8 __asm__("x8") = nr;
    register long x0 __asm__("x0") = a;
    register long x1 __asm__("x1") = b;
    register long x2 __asm__("x2") = c;
    register long x3 __asm__("x3") = d;
    register long x4 __asm__("x4") = e;
    register long x5 __asm__("x5") = f;
    __asm__ volatile("svc 0"
                     : "+r"(x0)
                     : "r"(x8), "r"(x1), "r"(x2), "r"(x3), "r"(x4), "r"(x5)
                     : "memory", "cc");
    return x0;
}

static inline long raw_clone(long nr, long a, long b, long c, long d, long e,
                             void (*run)(void *), void *arg)
{
    register long x8 __asm__("x8") = nr;
    register long x0 __asm__("x0") = a;
    register long x1 __asm__("x1") = b;
    register long x2 __asm__("x2") = c;
    register long x3 __asm__("x3") = d;
    register long x4 __asm__("x4") = e;
    register void *x9 __asm__("x9") = (void *)(uintptr_t)run;
    register void *x10 __asm__("x10") = arg;
    __asm__ volatile("svc 0\n\t"
                     "cbnz x0, 1f\n\t"
                     "mov x29, #0\n\t"
                     "mov x0, x10\n\t"
                     "blr x9\n\t"
                     "brk #0\n"
                     "1:"
                     : "+r"(x0)
                     : "r"(x8), "r"(x1), "r"(x2), "r"(x3), "r"(x4), "r"(x9),
                       "r"(x10)
                     : "x30", "memory", "cc");
    return x0;
}

#else
#error "userns knows the system call instructions of x86-64 and AArch64 only"
#endif

/* clone3 where the kernel has it, else clone, whose flags end at 32 bits: what
   needs more is the caller's to do or to refuse. */
static inline long raw_clone_any(struct clone_args *args, void (*run)(void *),
                                 void *arg)
{
    long pid = raw_clone(SYS_clone3, (long)args, (long)sizeof *args, 0, 0, 0,
                         run, arg);
    /* Container runtimes stub clone3 with either of these. */
    if (pid != -38 /* ENOSYS */ && pid != -1 /* EPERM */)
        return pid;
    if ((args->flags >> 32) != 0 || (args->flags & CSIGNAL) != 0)
        return pid;
    /* clone returns a pidfd through the word clone3 has for the tid. */
    long word = (args->flags & CLONE_PIDFD) != 0 ? (long)args->pidfd
                                                 : (long)args->parent_tid;
    long flags = (long)(args->flags | args->exit_signal);
    long top = (long)(args->stack + args->stack_size);
#if defined(__x86_64__)
    return raw_clone(SYS_clone, flags, top, word, (long)args->child_tid, 0, run,
                     arg);
#else
    return raw_clone(SYS_clone, flags, top, word, 0, (long)args->child_tid, run,
                     arg);
#endif
}

/* The same, with the child in a v2 cgroup from its first moment, where there is
   one (a descriptor, else -1) and it can be had: before Linux 5.7, or without
   clone3, the child is left to be moved.  So it is where the cgroup is refused,
   whose refusal is better reported by the move; but a limit on processes that
   holds (EAGAIN) is not gone around in that way. */
static inline long raw_clone_into(int cgroup, struct clone_args *args,
                                  void (*run)(void *), void *arg)
{
    if (cgroup >= 0) {
        args->flags |= CLONE_INTO_CGROUP;
        args->cgroup = (unsigned)cgroup;
        long pid = raw_clone(SYS_clone3, (long)args, (long)sizeof *args, 0, 0,
                             0, run, arg);
        if (pid >= 0 || pid == -11 /* EAGAIN */)
            return pid;
        args->flags &= ~(uint64_t)CLONE_INTO_CGROUP;
        args->cgroup = 0;
    }
    return raw_clone_any(args, run, arg);
}

#endif
